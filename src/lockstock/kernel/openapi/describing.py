"""Completes the description that FastAPI makes of the application."""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from lockstock.kernel import access, editions, http
from lockstock.kernel.openapi import story, words
from lockstock.kernel.openapi.about import HEADERS, SECURITY_SCHEMES, TAGS
from lockstock.kernel.openapi.examples import Examples
from lockstock.kernel.openapi.refusals import OF_OPERATION, codes_of, problem_of, refusals

PROBLEM = "application/problem+json"
# What every call with a body may be answered.
BODY_REFUSALS = ("400", "413", "415", "422")
JSON = "application/json"
Calls = frozenset[Callable[..., Any] | None]

Needs = list[dict[str, list[str]]]

PERSON: Needs = [{"accessToken": []}]
ANYBODY_KNOWN: Needs = [{"accessToken": []}, {"apiKey": []}]
ANYBODY: Needs = [{}, *ANYBODY_KNOWN]


def describe(app: FastAPI) -> None:
    """Add to the OpenAPI what FastAPI does not know: access, keys, headers, examples."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            _complete(app, schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _complete(app: FastAPI, schema: dict[str, Any]) -> None:
    components = schema["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = SECURITY_SCHEMES
    components["headers"] = HEADERS
    used = {tag for _, operation in _operations(schema) for tag in operation.get("tags", ())}
    schema["tags"] = [{"name": name, "description": text} for name, text in TAGS if name in used]
    calls = {
        (route.path_format, method.lower()): frozenset(_calls(route.dependant))
        for route in iter_route_contexts(app.routes)
        if hasattr(route, "dependant") and route.path_format
        for method in route.methods or ()
    }
    examples = Examples(components["schemas"])
    for place, operation in _operations(schema):
        _Operation(place[1], operation, calls[place], examples).complete()


def _operations(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield (path, method), operation


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    yield dependant.call
    for below in dependant.dependencies:
        yield from _calls(below)


class _Operation:
    """One operation, and what its route depends on."""

    def __init__(
        self, method: str, operation: dict[str, Any], calls: Calls, examples: Examples
    ) -> None:
        self._method = method
        self._operation = operation
        self._calls = calls
        self._examples = examples
        self._id: str = operation["operationId"]
        self._needs_key = http.idempotency_key in calls
        self._takes_key = self._needs_key or http.optional_idempotency_key in calls

    def complete(self) -> None:
        """Complete it, in place."""
        self._operation["security"] = self._security()
        for parameter in self._operation.get("parameters", ()):
            self._complete_parameter(parameter)
        body = self._operation.get("requestBody", {}).get("content", {}).get(JSON)
        if body is not None and "example" not in body:
            body["example"] = self._told(body["schema"], story.REQUESTS)
        self._add_refusals()
        for status, response in self._operation["responses"].items():
            if int(status) < HTTPStatus.BAD_REQUEST:
                self._complete_answer(response)
            else:
                self._complete_refusal(status, response)

    def _security(self) -> Needs:
        permissions = {access.NEEDS[call] for call in self._calls if call in access.NEEDS}
        for permission in sorted(permissions):
            text = self._operation.get("description", "")
            self._operation["description"] = f"{text}\n\nNeeds the permission `{permission}`."
        if access.person in self._calls or "shop" in permissions:
            return PERSON
        if access.actor_of in self._calls:
            return ANYBODY_KNOWN
        return ANYBODY if access.actor_if_any in self._calls else []

    def _complete_parameter(self, parameter: dict[str, Any]) -> None:
        schema = parameter["schema"]
        # Left out is left out: a parameter is never null.
        kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            schema.pop("anyOf")
            schema |= kinds[0]
        if schema.get("default", 0) is None:
            del schema["default"]
        if parameter["name"] == "Idempotency-Key":
            parameter["required"] = self._needs_key
            parameter["description"] = "one per intent: the same again is the same act"
            parameter["example"] = f"{self._id.replace('_', '-')}-1"
            schema |= {"minLength": 1, "pattern": "^[\\x20-\\x7e]+$"}
        if parameter["in"] == "path":
            parameter["example"] = words.PATHS.get(parameter["name"]) or self._examples.of(schema)

    def _add_refusals(self) -> None:
        responses = self._operation["responses"]
        added = ["503"] if self._calls != {None} and "operations" not in self._tags else []
        if "requestBody" in self._operation:
            added += BODY_REFUSALS
        if self._takes_key:
            added += ["400", "422"]
        if self._operation["security"]:
            added.append("401")
        for status in added:
            responses.setdefault(status, {})
        for status in list(responses):
            never = OF_OPERATION.get(self._id, {}).get(status) == ()
            # What changes nothing has nothing in its way.
            if never or (self._method == "get" and status == "409"):
                del responses[status]
        self._operation["responses"] = dict(sorted(responses.items()))

    @property
    def _tags(self) -> list[str]:
        found: list[str] = self._operation.get("tags", [])
        return found

    def _complete_answer(self, response: dict[str, Any]) -> None:
        names = ["X-Request-Id"]
        if self._takes_key:
            names.append("Idempotency-Replayed")
        if editions.edit in self._calls or editions.look in self._calls:
            names.append("ETag")
        content = response.get("content", {}).get(JSON)
        if content is not None and content.get("schema"):
            content["example"] = self._told(content["schema"], story.ANSWERS)
            if any(each["name"] == "cursor" for each in self._operation.get("parameters", ())):
                names.append("Link")
        response["headers"] = _headers(names) | response.get("headers", {})

    def _told(self, schema: Mapping[str, Any], patches: Mapping[str, Mapping[str, Any]]) -> object:
        example = self._examples.of(schema)
        patch = patches.get(self._id)
        return {**example, **patch} if patch and isinstance(example, dict) else example

    def _complete_refusal(self, status: str, response: dict[str, Any]) -> None:
        known = refusals()
        codes = [
            code for code in codes_of(self._id, status, takes_key=self._takes_key) if code in known
        ]
        phrase = HTTPStatus(int(status)).phrase
        if response.get("description", phrase) == phrase:
            response["description"] = ", ".join(f"`{code}`" for code in codes) or phrase
        response["content"] = {
            PROBLEM: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    code: {"summary": known[code].title, "value": problem_of(code, known[code])}
                    for code in codes
                },
            }
        }
        names = ["X-Request-Id"]
        names += ["Retry-After"] if status in {"429", "503"} else []
        names += ["WWW-Authenticate"] if status == "401" else []
        names += ["ETag"] if status == "412" else []
        response["headers"] = _headers(names)


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
