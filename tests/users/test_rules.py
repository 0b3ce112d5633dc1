"""Properties of the decisions about identities, passwords, attempts, codes and sessions."""

import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lockstock.users.attempts.rules import Attempts, Limit, one_more, seconds_to_wait
from lockstock.users.codes import rules as codes
from lockstock.users.codes.rules import KeptCode
from lockstock.users.rules import (
    COMMON_PASSWORDS,
    SHORTEST_PASSWORD,
    Identifier,
    digest,
    identifier_of,
    network_of,
    normalised_email,
    normalised_password,
    normalised_phone,
    password_fault,
)
from lockstock.users.sessions.rules import KeptToken, Session, worth

NOW = datetime(2026, 1, 1, tzinfo=UTC)
letters = st.characters(categories=["L", "M", "N", "P", "S"])
addresses = st.one_of(
    st.emails(),
    st.builds("{}@{}.example".format, st.text(letters, min_size=1), st.text(letters, min_size=1)),
)


def kept(text: str) -> str | None:
    try:
        return normalised_email(text)
    except ValueError:
        return None


@given(addresses)
@example("İ@example.com")
@example("ΑΣ@example.com")
@example("a@ﬁ.example")
@example("a@FAß.example")
def test_normalising_an_email_twice_changes_nothing(text: str) -> None:
    once = kept(text)
    assert once is None or kept(once) == once


@given(addresses)
def test_an_email_is_the_same_in_capitals_with_spaces_around_and_decomposed(text: str) -> None:
    once = kept(text)
    if once is not None:
        assert kept(f"  {once}\n") == once
        assert kept(unicodedata.normalize("NFD", once)) == once
        if once.isascii():
            assert kept(once.upper()) == once


@given(st.text())
@settings(max_examples=300)
def test_any_text_is_an_identity_or_a_value_error(text: str) -> None:
    try:
        found = identifier_of(text, "GB")
    except ValueError:
        return
    assert identifier_of(found.value, "GB") == found


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("User@Example.COM", "user@example.com"),
        (" user@example.com ", "user@example.com"),
        ("clerk@SHOP.test", "clerk@shop.test"),
        ("a@b.invalid", "a@b.invalid"),
        ("a@printer.local", "a@printer.local"),
        ("a@BÜCHER.example", "a@bücher.example"),
        ("a@xn--bcher-kva.example", "a@bücher.example"),
        ("u\u0308@example.com", "ü@example.com"),
        ("a+b@example.com", "a+b@example.com"),
    ],
)
def test_an_email_in_another_form_is_the_same_identity(typed: str, value: str) -> None:
    assert identifier_of(typed, "GB") == Identifier("email", value)


@pytest.mark.parametrize(
    "typed",
    [
        "a@",
        "@b.example",
        "a@b",
        "a@localhost",
        "a b@c.example",
        "a@@b.example",
        "a@[127.0.0.1]",
        "Ann <ann@example.com>",
        "a\x00@b.example",
        "a\n@b.example",
        f"{'a' * 65}@b.example",
        "a@b..c",
        "\u202ea@b.example",
        "a@-b.example",
        f"a@{'b' * 250}.example",
        "a@b.example\r\nBcc: c@d.e",
    ],
)
def test_what_is_no_email_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        normalised_email(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "+447700900123",
        "+44 7700 900123",
        "07700 900123",
        "0044 7700 900123",
        "+44 (0) 7700-900123",
        "+44.7700.900123",
        " 07700900123 ",
        "\uff0b447700900123",
        "07700\u2011900\u2013123",
        "٠٧٧٠٠٩٠٠١٢٣",
        "+44/7700/900123",
        "(07700) 900 123",
    ],
)
def test_a_phone_number_in_another_form_is_the_same_identity(typed: str) -> None:
    assert identifier_of(typed, "GB") == Identifier("phone", "+447700900123")


def test_a_number_without_a_country_is_of_the_default_region() -> None:
    assert normalised_phone("030 1234567", "DE") == "+49301234567"
    assert normalised_phone("+44 7700 900123", "DE") == "+447700900123"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "+",
        "123",
        "12345678",
        "0800 FLOWERS",
        "07700 900123 ext. 4",
        "tel:+447700900123",
        "+999 1234567",
        "+44" + "7" * 30,
        "1" * 10000,
        "+1 555",
        "07700\x00900123",
        "0x7700900123",
    ],
)
def test_what_is_no_phone_number_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="phone"):
        normalised_phone(typed, "GB")


@given(st.from_regex(r"[0-9 ()+./-]{4,25}", fullmatch=True), st.sampled_from(["GB", "US", "IT"]))
@settings(max_examples=300)
def test_normalising_a_phone_number_twice_changes_nothing(text: str, region: str) -> None:
    try:
        once = normalised_phone(text, region)
    except ValueError:
        return
    assert normalised_phone(once, region) == once
    assert once.startswith("+")
    assert once[1:].isdecimal()


MINE = [Identifier("email", "annabella@example.com"), Identifier("phone", "+447700900123")]


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=0, max_size=200))
@settings(max_examples=300)
def test_only_the_length_and_being_known_to_everybody_count(password: str) -> None:
    fault = password_fault(password, [])
    normal = normalised_password(password)
    if not 8 <= len(normal) <= 128:
        assert fault == "must have 8 to 128 characters"
    elif len(set(normal.casefold())) > 1 and normal.casefold() not in COMMON_PASSWORDS:
        assert fault is None


@pytest.mark.parametrize("password", ["password", "PassWord", "12345678", "qwertyuiop", "a" * 8])
def test_a_common_password_is_refused(password: str) -> None:
    assert password_fault(password, []) == "is one of the most common passwords"


@pytest.mark.parametrize("password", [" " * 8, "\u3000" * 9, "\uff50assword", " password "])
def test_a_common_password_is_refused_in_disguise(password: str) -> None:
    assert password_fault(password, []) is not None


@pytest.mark.parametrize(
    "password",
    [
        "annabella@example.com",
        "ANNABELLA",
        "+447700900123",
        "07700900123",
        "07700 900 123",
        "00447700900123",
        "447700900123",
    ],
)
def test_an_identity_is_no_password(password: str) -> None:
    assert password_fault(password, MINE) == "must not be the e-mail address or phone number"


@pytest.mark.parametrize("password", ["annabella's horse", "x07700900123", "kürbis-суп-汤-🥣"])
def test_a_password_that_is_more_than_an_identity_is_good(password: str) -> None:
    assert password_fault(password, MINE) is None


def test_the_blocklist_holds_what_could_be_a_password_and_is_compared_as_it_is() -> None:
    assert len(COMMON_PASSWORDS) > 300
    assert all(len(p) >= SHORTEST_PASSWORD and p == p.casefold() for p in COMMON_PASSWORDS)


@given(st.lists(st.text()), st.lists(st.text()))
def test_two_lists_of_parts_have_two_digests(one: list[str], other: list[str]) -> None:
    assert (digest("key", *one) == digest("key", *other)) == (one == other)


def test_a_digest_needs_the_key() -> None:
    assert digest("key", "a") != digest("other key", "a")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_customer_is_limited_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.integers(1, 5), st.lists(st.integers(0, 40)))
def test_no_window_lets_more_through_than_its_limit(most: int, pauses: list[int]) -> None:
    limit = Limit("any", b"key", most, 60)
    attempts: Attempts | None = None
    now, windows = NOW, list[list[datetime]]()
    for pause in pauses:
        now += timedelta(seconds=pause)
        if wait := seconds_to_wait(attempts, limit, now):
            assert attempts is not None
            later = now + timedelta(seconds=wait)
            assert attempts.ends_at <= later
            assert seconds_to_wait(attempts, limit, later) == 0
            continue
        attempts = one_more(attempts, limit, now)
        if attempts.count == 1:
            windows.append([])
        windows[-1].append(now)
    for window in windows:
        assert len(window) <= most
        assert window[-1] - window[0] < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("tries", "seconds_left", "alive"), [(0, 1, True), (4, 1, True), (5, 1, False), (0, 0, False)]
)
def test_a_code_lives_for_its_tries_and_until_its_end(
    tries: int, seconds_left: int, alive: bool
) -> None:
    code = KeptCode(b"hash", tries, NOW + timedelta(seconds=seconds_left))
    assert codes.is_alive(code, 5, NOW) is alive


def test_spaces_in_a_code_are_not_part_of_it() -> None:
    assert codes.digits_of(" 123 456\n") == "123456"


@pytest.mark.parametrize(
    ("used", "revoked", "seconds_left", "judged"),
    [
        (False, False, 1, "good"),
        (True, False, 1, "reused"),
        (False, True, 1, "over"),
        (False, False, 0, "over"),
        (True, True, 1, "over"),
    ],
)
def test_a_refresh_token_is_worth_what_its_session_is(
    used: bool, revoked: bool, seconds_left: int, judged: str
) -> None:
    token = KeptToken(UUID(int=1), UUID(int=2), NOW if used else None)
    session = Session(NOW + timedelta(seconds=seconds_left), NOW if revoked else None)
    assert worth(token, session, NOW) == judged
    assert worth(None, session, NOW) == worth(token, None, NOW) == "over"
