"""Strict JSON: what I-JSON (RFC 7493) allows, and nothing that readers disagree about.

The standard decoder takes NaN, the last of duplicate keys, lone surrogates and numbers that become
infinite. Each of those has let one reader see another value than the next.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from lockstock.kernel.errors import MalformedBody

MOST_INTEGER = 2**63 - 1
MOST_DIGITS = 19
MOST_DEPTH = 32
LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands where something unacceptable was read, until it is known where that is."""

    what: str


def _refuse(what: str, path: str | None = None) -> NoReturn:
    errors = {} if path is None else {"errors": [{"path": path or "body", "message": what}]}
    raise MalformedBody(f"The body is not acceptable JSON: {what}.", **errors)


def _constant(name: str) -> _Fault:
    return _Fault(f"{name} is not a number in JSON")


def _integer(digits: str) -> int | _Fault:
    # The length first: reading 5,000 digits is work that nobody needs.
    if len(digits.lstrip("-")) > MOST_DIGITS or not -MOST_INTEGER <= int(digits) <= MOST_INTEGER:
        return _Fault("an integer is outside 64 bits")
    return int(digits)


def _number(text: str) -> float | _Fault:
    value = float(text)
    return value if math.isfinite(value) else _Fault("a number is too large")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Fault:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _Fault("an object has the same key twice")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_number,
)


def _check(value: object, path: tuple[str | int, ...]) -> None:
    if len(path) > MOST_DEPTH:
        _refuse(f"it is nested more than {MOST_DEPTH} deep")
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_text(key, path)
            _check(member, (*path, key))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            _check(member, (*path, place))
    elif isinstance(value, _Fault):
        _refuse(value.what, _written(path))


def _check_text(text: str, path: tuple[str | int, ...]) -> None:
    if "\0" in text:
        _refuse("text holds a NUL character", _written(path))
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        _refuse("text holds half of a surrogate pair", _written(path))


def _written(path: tuple[str | int, ...]) -> str:
    # A key may be as long as a body.
    return ".".join(str(part) for part in path)[:LONGEST_PATH]


def decode(body: bytes) -> object:
    """Read one JSON value. Raises MalformedBody, saying what is wrong and where, for others."""
    if body.startswith(b"\xef\xbb\xbf"):
        _refuse("it starts with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("it is not UTF-8")
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse(f"it is nested more than {MOST_DEPTH} deep")
    _check(value, ())
    return value
