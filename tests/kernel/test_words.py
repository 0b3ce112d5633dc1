"""The small words that every service shares: ids, money, cursors, tokens, logs."""

import io
import json
import logging
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import TypeAdapter, ValidationError

from lockstock.kernel import telemetry
from lockstock.kernel.access import AccessTokens, Actor
from lockstock.kernel.errors import InvalidInput, Unauthenticated
from lockstock.kernel.ids import derived_id, new_id
from lockstock.kernel.money import Currency, Money, Tender, text_of
from lockstock.kernel.nouns import Name, Quantity
from lockstock.kernel.paging import LONGEST_CURSOR, Cursors
from lockstock.kernel.text import sort_key

KEY = "a key of at least thirty-two characters"
ACTOR = Actor(user_id=UUID(int=1), session_id=UUID(int=2), is_admin=False)


def test_later_ids_sort_later() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)
    assert {one.version for one in made} == {7}


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_equal_parts_and_only_they_give_the_same_id(one: list[str], two: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*two)) == (one == two)
    assert derived_id(*one).version == 8


def test_money_is_written_for_people() -> None:
    assert text_of(Money(amount_minor=123456, currency="EUR")) == "€1,234.56"
    assert text_of(Money(amount_minor=1234, currency="JPY")) == "¥1,234"


@pytest.mark.parametrize("code", ["eur", "EURO", "ZZZ", "", "E1R", "XXX", "XAU"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Currency).validate_python(code)


@pytest.mark.parametrize("code", ["DEM", "HRK", "LTL", "ZWL", "ANG", "VEB", "CHE", "USN", "CNH"])
def test_nothing_begins_in_what_nobody_can_pay_with(code: str) -> None:
    """Withdrawn, or only counted in; what is kept in it stays readable."""
    with pytest.raises(ValidationError, match="legal tender nowhere"):
        TypeAdapter(Tender).validate_python(code)
    assert TypeAdapter(Currency).validate_python(code) == code
    assert text_of(Money(amount_minor=100, currency=code))


@pytest.mark.parametrize("code", ["EUR", "JPY", "KWD", "XAF", "XCG", "ZWG", "ISK"])
def test_what_people_pay_with_is_taken(code: str) -> None:
    assert TypeAdapter(Tender).validate_python(code) == code


@pytest.mark.parametrize("value", [0, -1, 1.0, "2", True, None, 2**31])
def test_a_quantity_is_a_positive_whole_number(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(value, strict=True)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "\u00a0\u3000",
        "\u200b\u200b",
        "\ufeff",
        "\u3164",
        "\u202eevil",
        "\u2066evil",
        "a\u2028b",
        "a\x1bb",
        "x" * 201,
        "\u0344" * 200,
    ],
)
def test_a_name_has_something_to_read(value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(value)


def test_a_name_is_kept_in_one_form() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Name)
    assert adapter.validate_python(" Cafe\u0301 ") == adapter.validate_python("Caf\u00e9")


@given(st.lists(st.integers() | st.text(), max_size=3))
def test_a_cursor_is_read_back(values: list[int | str]) -> None:
    cursors = Cursors(KEY)
    assert cursors.read("list", cursors.write("list", values)) == values


@given(st.text(max_size=80))
def test_no_text_is_a_cursor(text: str) -> None:
    with pytest.raises(InvalidInput):
        Cursors(KEY).read("list", text)


def test_a_cursor_of_the_longest_name_is_short_enough_to_be_sent() -> None:
    key = [sort_key("\U0001f600" * 200), str(new_id())]
    assert len(Cursors(KEY).write("list", key)) <= LONGEST_CURSOR


def test_a_cursor_is_of_one_list_and_one_server() -> None:
    cursor = Cursors(KEY).write("list", [1])
    with pytest.raises(InvalidInput):
        Cursors(KEY).read("another list", cursor)
    with pytest.raises(InvalidInput):
        Cursors(KEY + "!").read("list", cursor)
    with pytest.raises(InvalidInput):
        Cursors(KEY).read("list", ("A" if cursor[0] != "A" else "B") + cursor[1:])


def test_a_token_says_who_it_was_given_to() -> None:
    tokens = AccessTokens([KEY], 60)
    assert tokens.verify(tokens.issue(ACTOR)) == ACTOR


def test_an_older_key_still_verifies_and_an_unknown_one_does_not() -> None:
    old, new = AccessTokens([KEY], 60), AccessTokens([KEY + "2", KEY], 60)
    assert new.verify(old.issue(ACTOR)) == ACTOR
    with pytest.raises(Unauthenticated):
        old.verify(new.issue(ACTOR))


def forged(header: dict[str, str], **claims: object) -> str:
    now = int(time.time())
    good = {
        "iss": "lockstock",
        "aud": "lockstock-api",
        "sub": str(ACTOR.user_id),
        "sid": str(ACTOR.session_id),
        "adm": False,
        "iat": now,
        "exp": now + 60,
    }
    key = OctKey.import_key(KEY)
    return jwt.encode(header, good | claims, key, algorithms=["HS256", "HS384", "none"])


# The library itself warns of "none", which is here to be refused.
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "none"}, {}),
        ({"alg": "HS384"}, {}),
        ({"alg": "HS256"}, {"exp": 1}),
        ({"alg": "HS256"}, {"iat": 9_999_999_999}),
        ({"alg": "HS256"}, {"aud": "another"}),
        ({"alg": "HS256"}, {"iss": "another"}),
        ({"alg": "HS256"}, {"sub": "nobody"}),
        ({"alg": "HS256"}, {"adm": "yes"}),
        ({"alg": "HS256"}, {"exp": None}),
    ],
)
def test_a_token_that_is_not_quite_right_is_not_right(
    header: dict[str, str], claims: dict[str, object]
) -> None:
    tokens = AccessTokens([KEY], 60)
    assert tokens.verify(forged({"alg": "HS256"})) == ACTOR
    with pytest.raises(Unauthenticated):
        tokens.verify(forged(header, **claims))


@given(st.text(max_size=60))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        AccessTokens([KEY], 60).verify(text)


def test_secrets_never_reach_a_log_line() -> None:
    telemetry.configure_logs("info", "json")
    try:
        written = io.StringIO()
        handler = logging.getLogger().handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
        telemetry.log().info("logged_in", password="canary", access_token="canary", user="ann")
    finally:
        telemetry.configure_logs("warning", "json")
    line = json.loads(written.getvalue())
    assert "canary" not in written.getvalue()
    assert line["user"] == "ann"


def test_a_traceback_for_people_shows_no_local_variables() -> None:
    telemetry.configure_logs("info", "pretty")
    try:
        written = io.StringIO()
        handler = logging.getLogger().handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
        fail_with_a_secret("canary")
    finally:
        telemetry.configure_logs("warning", "json")
    assert "ZeroDivisionError" in written.getvalue()
    assert "canary" not in written.getvalue()


def fail_with_a_secret(password: str) -> None:
    try:
        assert len(password) / 0
    except ZeroDivisionError:
        telemetry.log().exception("bug")
