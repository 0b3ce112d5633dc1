"""Strict JSON: what I-JSON (RFC 7493) allows, and nothing that readers disagree about.

The standard decoder takes NaN, the last of duplicate keys, lone surrogates and numbers that become
infinite. Each of those has let one reader see another value than the next.
"""

import json
import math
from typing import Any, NoReturn

from lockstock.kernel.errors import MalformedBody

MOST_INTEGER = 2**63 - 1
MOST_DIGITS = 19
MOST_DEPTH = 32


def _refuse(what: str) -> NoReturn:
    raise MalformedBody(f"The body is not acceptable JSON: {what}.")


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a number in JSON")


def _integer(digits: str) -> int:
    # The length first: reading 5,000 digits is work that nobody needs.
    if len(digits.lstrip("-")) > MOST_DIGITS or not -MOST_INTEGER <= int(digits) <= MOST_INTEGER:
        _refuse("an integer is outside 64 bits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse("a number is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("an object has the same key twice")
    return members


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_number,
)


def _check_text(value: object, depth: int) -> None:
    if depth > MOST_DEPTH:
        _refuse(f"it is nested more than {MOST_DEPTH} deep")
    if isinstance(value, str):
        if "\0" in value:
            _refuse("text holds a NUL character")
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            _refuse("text holds half of a surrogate pair")
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_text(key, depth)
            _check_text(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check_text(member, depth + 1)


def decode(body: bytes) -> object:
    """Read one JSON value. Raises MalformedBody, saying what is wrong, for anything else."""
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
    _check_text(value, 0)
    return value
