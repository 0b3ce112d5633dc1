"""What nouns and requests are made of. One noun, one class: it is the row, the answer and the word.

Strict: nothing is converted silently. `true`, `"2"` and `1.0` are not the number 2, unknown fields
are refused, text holds no NUL.
"""

import unicodedata
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

# What PostgreSQL's integer takes. Counters of units never pass it, and neither may their sums.
MOST_UNITS = 2**31 - 1
MOST_LINES = 500

T = TypeVar("T")


class Noun(BaseModel):
    """A thing of the domain, as it is kept and as it is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Ask(BaseModel):
    """What a caller asks for. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# Ids are opaque strings to clients. JSON has no UUIDs, so this one type may be read from text.
Id = Annotated[UUID, Field(strict=False), WithJsonSchema({"type": "string", "format": "uuid"})]


# Embeddings, overrides and isolates: what is after them is shown in another order than it is kept.
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and symbols by category that show nothing: fillers of Hangul, and blank Braille.
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMNPS" and character not in _FILLERS


def _clean(text: str) -> str:
    """Refuse what only confuses: control characters, line separators, turns of direction. NFC."""
    for character in text:
        kind = unicodedata.category(character)
        if (kind in {"Cc", "Zl", "Zp"} and character not in "\n\t") or character in _TURNS:
            msg = "must not contain control characters"
            raise ValueError(msg)
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not any(map(_is_seen, cleaned)):
        msg = "must not be blank"
        raise ValueError(msg)
    return cleaned


# The length is checked twice: before, as it is work to look at much; after, as NFC may be longer.
Name = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(_clean), Field(max_length=200)
]
Reason = Annotated[
    str, Field(min_length=1, max_length=500), AfterValidator(_clean), Field(max_length=500)
]
Text = Annotated[
    str, Field(min_length=1, max_length=10_000), AfterValidator(_clean), Field(max_length=10_000)
]
Quantity = Annotated[int, Field(ge=1, le=MOST_UNITS)]
Count = Annotated[int, Field(ge=0, le=MOST_UNITS)]
Delta = Annotated[int, Field(ge=-MOST_UNITS, le=MOST_UNITS)]


def _refuse_null(value: object) -> object:
    if value is None:
        msg = "must not be null: leave it out to keep it as it is"
        raise ValueError(msg)
    return value


def _without_null(schema: dict[str, Any]) -> None:
    schema.pop("default", None)
    [given] = [kind for kind in schema.pop("anyOf") if kind != {"type": "null"}]
    schema.update(given)


# A field of a change: left out, it stays as it is (None in Python). An explicit null is refused.
Given = Annotated[T | None, BeforeValidator(_refuse_null), Field(json_schema_extra=_without_null)]


class Page(Noun, Generic[T]):
    """One page of a list. `next` is the cursor of the page after it, null on the last."""

    items: list[T]
    next: str | None
