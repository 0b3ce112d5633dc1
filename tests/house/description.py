"""Rules on the description of the API: what a stranger reads in /docs, and a generator reads."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from lockstock.kernel.openapi.examples import UNTOLD
from tests.house.source import Fault

JSON = "application/json"
PROBLEM = "application/problem+json"
_NAME = re.compile(r"[a-z]+(_[a-z]+)*")
# What is said about a process is for its operator, who has no client generated.
OPERATIONS = "operations"


def operations(schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation with its method and path."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def badly_named(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Find operations whose id is none that a method could have, or that others have too."""
    seen: set[str] = set()
    for place, operation in operations(schema):
        name = operation["operationId"]
        if not _NAME.fullmatch(name) or name in seen:
            yield Fault(place, f"{name} is no good name for a method")
        seen.add(name)


def untagged(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Find operations without exactly one tag that is described."""
    known = {tag["name"] for tag in schema["tags"] if tag["description"]}
    for place, operation in operations(schema):
        if len(operation.get("tags", [])) != 1 or operation["tags"][0] not in known:
            yield Fault(place, "has no tag that kernel/openapi/about.py describes")


def without_example(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Find bodies and answers without an example, and operations without one of a refusal."""
    for place, operation in operations(schema):
        bodies = {"its body": operation.get("requestBody", {}).get("content", {})}
        for status, response in operation["responses"].items():
            bodies[status] = response.get("content", {})
        for where, content in bodies.items():
            for kind, media in content.items():
                if kind == JSON and media.get("schema") and "example" not in media:
                    yield Fault(place, f"{where} has no example")
                if kind == PROBLEM and not media.get("examples"):
                    yield Fault(place, f"{where} has no example of a problem")
        is_refused = any(PROBLEM in content for content in bodies.values())
        if not is_refused and OPERATIONS not in operation["tags"]:
            yield Fault(place, "says of no refusal")


def examples(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Yield each example with where it is and its schema."""
    for place, operation in operations(schema):
        parts = [("body", operation.get("requestBody", {}))]
        parts += operation["responses"].items()
        for where, part in parts:
            for media in part.get("content", {}).values():
                if "example" in media:
                    yield f"{place} {where}", media["schema"], media["example"]
                for name, each in media.get("examples", {}).items():
                    yield f"{place} {where} {name}", media["schema"], each["value"]
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                place_of = f"{place} {parameter['name']}"
                yield place_of, parameter["schema"], parameter["example"]


def wrong_examples(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Find examples that are not what their schema says."""
    for place, part, value in examples(schema):
        whole = {**part, "components": schema["components"]}
        found = jsonschema_rs.validator_for(whole, validate_formats=True).iter_errors(value)
        for error in found:
            yield Fault(place, f"{'.'.join(map(str, error.instance_path))}: {error.message}")


def untold(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Find members of examples for which the story has no word."""
    for place, _, value in examples(schema):
        for path in _blanks(value, ""):
            yield Fault(place, f"kernel/openapi/words.py has no word for {path}")


def _blanks(value: object, path: str) -> Iterator[str]:
    if value == UNTOLD:
        yield path
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _blanks(member, f"{path}.{name}")
    elif isinstance(value, list):
        for member in value:
            yield from _blanks(member, path)


def unguarded(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Find operations that do not say what they need, and keys that are wrongly optional."""
    known = schema["components"]["securitySchemes"].keys()
    for place, operation in operations(schema):
        if any(name not in known for need in operation["security"] for name in need):
            yield Fault(place, "needs a security scheme that is not described")
        if operation["security"] and "401" not in operation["responses"]:
            yield Fault(place, "does not say what it answers to a stranger")
        for parameter in operation.get("parameters", ()):
            if not parameter.get("description") and parameter["in"] != "path":
                yield Fault(place, f"does not say what {parameter['name']} is")
