"""The Python client: each operation of the API has a call."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from lockstock.client.refusals import ApiError
from tests.house.allowed import NOT_IN_CLIENT
from tests.house.documents import read
from tests.house.source import PACKAGE, ROOT

# Those of the client that take a path, and which methods they send it with.
SENDERS = {"_pages": "GET", "_items": "GET", "lines": "GET"}
_VERB = re.compile(r"GET|POST|PUT|PATCH|DELETE")


def _text_of(node: ast.expr, names: dict[str, str]) -> str | None:
    """The text of a path, with {} for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    return None


def calls_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the method and the path of each request that a module makes."""
    tree = ast.parse(text)
    constants = _assigned(tree.body)
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            names = constants | _assigned(function.body)
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield from _request(node, names)


def _assigned(body: list[ast.stmt]) -> dict[str, str]:
    found = {}
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            text = _text_of(statement.value, {})
            if text is not None:
                found[statement.targets[0].id] = text
    return found


def _request(node: ast.Call, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    texts = [_text_of(argument, names) for argument in node.args]
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name == "_tell" and texts[0] is not None:
        yield "POST", texts[0]
    elif name in SENDERS and texts and texts[0] is not None:
        yield SENDERS[name], texts[0]
    elif len(texts) > 1 and texts[0] and _VERB.fullmatch(texts[0]) and texts[1]:
        yield texts[0], texts[1]


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            place = (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
            yield operation["operationId"], place


def _client() -> set[tuple[str, str]]:
    files = Path(ROOT / PACKAGE / "client").glob("*.py")
    return {call for file in files for call in calls_of(file.read_text(encoding="utf-8"))}


def test_each_operation_has_a_call(app: FastAPI) -> None:
    """Whatever the API can do, the client can; and it asks for nothing that is not there."""
    known = dict(_operations(app.openapi()))
    called = _client()
    without = {name for name, place in known.items() if place not in called}
    assert without == NOT_IN_CLIENT.keys()
    assert {call for call in called if call[1].startswith("/v1")} <= set(known.values())


def test_each_refusal_of_the_client_is_one_of_the_api() -> None:
    """A class for a code that is never answered helps nobody."""
    documented = read("docs/errors.md")
    ours = {"no_answer"}
    assert {c for c in ApiError.by_code if f"| `{c}` |" not in documented} == ours


def test_a_request_is_seen_however_it_is_written() -> None:
    """Paths in place, in a variable, in a constant of the module."""
    text = """
FAR = "/v1/far"
async def one(self, shop):
    await self._send("POST", f"/v1/shops/{shop}/orders", {})
async def two(self, shop):
    path = f"/v1/shops/{shop}"
    await self._pages(path)
    await self._transport.lines(FAR, {})
"""
    assert set(calls_of(text)) == {
        ("POST", "/v1/shops/{}/orders"),
        ("GET", "/v1/shops/{}"),
        ("GET", "/v1/far"),
    }
