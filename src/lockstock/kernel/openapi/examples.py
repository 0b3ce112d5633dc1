"""Composes an example of each schema from the words of one story."""

from collections.abc import Mapping
from typing import Any

from lockstock.kernel.openapi.story import NOUNS
from lockstock.kernel.openapi.words import LEFT_OUT, NOON, REQUEST, WORDS

REF = "#/components/schemas/"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Examples:
    """Examples of the schemas of one description. The same noun is told in the same words."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def of(self, schema: Mapping[str, Any], noun: str = "", field: str = "") -> Any:  # noqa: ANN401
        """Return an example of a schema: that of the field of a noun, where it is one."""
        told = NOUNS.get(f"{noun}.{field}", WORDS.get(field, LEFT_OUT))
        if told is not LEFT_OUT and self._fits(schema, told):
            return told
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(REF)
            whole = NOUNS.get(name)
            return self.of(self._schemas[name], name) if whole is None else whole
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        choices = schema.get("anyOf", schema.get("oneOf", ()))
        if {"type": "null"} in choices:
            return None
        for choice in choices:
            return self.of(choice, noun, field)
        return self._of_type(schema, noun)

    def _of_type(self, schema: Mapping[str, Any], noun: str) -> Any:  # noqa: ANN401
        kind = schema.get("type", "object")
        if kind == "array":
            return [self.of(schema["items"], noun)] if "items" in schema else []
        if kind == "object":
            return self._members(schema, noun)
        return schema.get("default", _OF_FORMAT.get(schema.get("format"), _BLANK[kind]))

    def _members(self, schema: Mapping[str, Any], noun: str) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            field: self.of(member, noun, field)
            for field, member in schema.get("properties", {}).items()
            if f"{noun}.{field}" not in NOUNS or NOUNS[f"{noun}.{field}"] is not LEFT_OUT
            if field in required or f"{noun}.{field}" in NOUNS or self._is_told(member, field)
        }

    def _is_told(self, schema: Mapping[str, Any], field: str) -> bool:
        return field in WORDS and self._fits(schema, WORDS[field])

    def _fits(self, schema: Mapping[str, Any], value: object) -> bool:
        """Whether the same word may stand here; a house test checks what comes of it in full."""
        choices = schema.get("anyOf", schema.get("oneOf"))
        if choices is not None:
            return any(self._fits(choice, value) for choice in choices)
        if "$ref" in schema:
            return isinstance(value, dict)
        if value not in schema.get("enum", [value]) or schema.get("const", value) != value:
            return False
        if isinstance(value, bool) and schema.get("type") != "boolean":
            return False
        return isinstance(value, _TYPES.get(schema.get("type", ""), (object,)))


# What a house test finds and asks a word for.
UNTOLD = "…"
_OF_FORMAT: Mapping[object, str] = {"uuid": REQUEST, "date-time": NOON}
_BLANK: Mapping[str, Any] = {
    "string": UNTOLD,
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "null": None,
}
