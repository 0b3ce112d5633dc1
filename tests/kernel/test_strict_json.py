"""Strict JSON: what readers disagree about is refused, never read one way or the other."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstock.kernel.errors import MalformedBody
from lockstock.kernel.strict_json import MOST_DEPTH, MOST_INTEGER, decode

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MOST_INTEGER, MOST_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_what_json_can_say_is_read_as_it_is(value: Any) -> None:
    assert decode(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"[1e999]",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1" * 5000,
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1} trailing',
        b"{'a': 1}",
        b"{a: 1}",
        b"[1,]",
        b"",
        b"   ",
        b"[" * (MOST_DEPTH + 2) + b"]" * (MOST_DEPTH + 2),
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_readers_disagree_about_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"lines": [{"quantity": NaN}]}', "lines.0.quantity"),
        (b'{"lines": [1, -Infinity]}', "lines.1"),
        (b'{"a": {"b": 1e400}}', "a.b"),
        (b'{"a": 9223372036854775808}', "a"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a"),
        (b'{"a": [{"b": 1, "b": 1}]}', "a.0"),
        (b'{"a": "\\u0000"}', "a"),
        (b'{"a": {"\\u0000": 1}}', "a"),
        (b'{"a": "\\ud800"}', "a"),
        (b"NaN", "body"),
    ],
)
def test_what_is_refused_is_named(body: bytes, path: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        decode(body)
    assert [error["path"] for error in refusal.value.fields["errors"]] == [path]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        json.dumps(decode(body), allow_nan=False)
