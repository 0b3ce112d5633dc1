"""The description of the API: every operation shown with examples that are true."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.house import description
from tests.house.documents import read
from tests.house.source import Fault


@pytest.fixture
def schema(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    assert len(list(description.operations(found))) > 70
    return found


def _lines(faults: Iterator[Fault]) -> list[str]:
    return sorted(str(fault) for fault in faults)


@pytest.mark.parametrize(
    "rule",
    [
        description.badly_named,
        description.untagged,
        description.without_example,
        description.wrong_examples,
        description.untold,
        description.unguarded,
    ],
)
def test_the_description_is_whole(schema: dict[str, Any], rule: Any) -> None:
    """Names, tags, examples, what each call needs."""
    assert _lines(rule(schema)) == []


def test_each_example_of_a_request_is_taken(app: FastAPI) -> None:
    """What the schema cannot say is checked too: by the very models that read the requests."""
    paths = app.openapi()["paths"]
    checked = 0
    for route in iter_route_contexts(app.routes):
        if getattr(route, "body_field", None) is None or not route.include_in_schema:
            continue
        [method] = route.methods or {"POST"}
        body = paths[route.path_format][method.lower()]["requestBody"]
        _, errors = route.body_field.validate(body["content"]["application/json"]["example"])
        assert not errors, (route.path_format, errors)
        checked += 1
    assert checked > 35


def test_each_refusal_that_is_shown_is_one_that_is_documented(schema: dict[str, Any]) -> None:
    """docs/errors.md has each code that /docs shows."""
    shown = {
        value["code"]
        for place, _, value in description.examples(schema)
        if isinstance(value, dict) and str(value.get("type", "")).startswith("urn:lockstock:")
    }
    assert {"out_of_stock", "idempotency_key_reused", "not_found"} <= shown
    documented = read("docs/errors.md")
    assert {code for code in shown if f"| `{code}` |" not in documented} == set()


def test_a_key_is_required_where_it_is(schema: dict[str, Any]) -> None:
    """And a change says which header marks an answer that was given before."""
    orders = schema["paths"]["/v1/shops/{shop}/orders"]
    [key] = [p for p in orders["post"]["parameters"] if p["name"] == "Idempotency-Key"]
    assert key["required"]
    assert key["schema"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[\\x20-\\x7e]+$",
        "title": "Idempotency-Key",
    }
    assert "Idempotency-Replayed" in orders["post"]["responses"]["201"]["headers"]
    assert "Link" in orders["get"]["responses"]["200"]["headers"]
    shop = schema["paths"]["/v1/shops/{shop}"]
    assert "ETag" in shop["get"]["responses"]["200"]["headers"]
    [optional] = [
        p
        for p in schema["paths"]["/v1/shops"]["post"]["parameters"]
        if p["name"] == "Idempotency-Key"
    ]
    assert not optional["required"]


def test_each_operation_says_what_it_needs(schema: dict[str, Any]) -> None:
    """Nothing, a person, or a person or an API key."""
    paths = schema["paths"]
    person: Any = [{"accessToken": []}]
    known: Any = [*person, {"apiKey": []}]
    assert paths["/v1/login"]["post"]["security"] == []
    assert paths["/healthz"]["get"]["security"] == []
    assert paths["/v1/me"]["get"]["security"] == person
    assert paths["/v1/shops/{shop}/api-keys"]["post"]["security"] == person
    assert paths["/v1/shops/{shop}/stock"]["get"]["security"] == known
    assert paths["/v1/shops/{shop}/orders"]["post"]["security"] == known
    assert paths["/v1/products"]["get"]["security"] == [{}, *known]


def test_a_bad_description_is_seen(schema: dict[str, Any]) -> None:
    """Each rule finds what it is for."""
    login = schema["paths"]["/v1/login"]["post"]
    login["operationId"] = "Login!"
    login["tags"] = []
    login["security"] = [{"magic": []}]
    del login["responses"]["200"]["content"]["application/json"]["example"]
    login["requestBody"]["content"]["application/json"]["example"] = {"identifier": "…"}
    for rule in (
        description.badly_named,
        description.untagged,
        description.without_example,
        description.wrong_examples,
        description.untold,
        description.unguarded,
    ):
        assert any("/v1/login" in line for line in _lines(rule(schema))), rule
