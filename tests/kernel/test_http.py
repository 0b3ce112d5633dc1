"""HTTP in and out: every error a problem+json, every request with an id, nothing half-read."""

import asyncio
import io
import json
import logging
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from lockstock.kernel import telemetry
from tests.conftest import OpenShop, Register

JSON = {"Content-Type": "application/json"}
USERS = "/v1/users"


def assert_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is a problem+json of this kind, with the request's id; return its members."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail", "request_id"} <= found.keys()
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


async def test_unknown_paths_and_methods_are_problems(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/v1/nothing"), 404, "not_found")
    refused = await client.delete("/v1/products")
    assert_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/me/sessions", "DELETE, GET"),
        ("/v1/shops", "GET, POST"),
        ("/v1/shops/s", "GET, PATCH"),
        ("/v1/shops/s/members/m", "DELETE, PUT"),
        ("/v1/me/identities/email/a@example.com", "DELETE"),
        ("/v1/users", "GET, POST"),
    ],
)
async def test_allow_names_all_methods_of_the_path(
    client: httpx2.AsyncClient, path: str, allowed: str
) -> None:
    refused = await client.request("TRACE", path)
    assert_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == allowed


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", None])
async def test_a_body_must_say_that_it_is_json(
    client: httpx2.AsyncClient, kind: str | None
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await client.post(USERS, content=b'{"email": "a@example.com"}', headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json; charset=not-utf-8"},
        JSON | {"Content-Encoding": "gzip"},
    ],
)
async def test_a_body_in_another_encoding_is_refused(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post(USERS, content=b"{}", headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b'{"a": 1, "a": 1}', b'"\\ud800"', b"\xff", b"[]", b"null"]
)
async def test_what_is_no_acceptable_json_is_refused(
    client: httpx2.AsyncClient, body: bytes
) -> None:
    answer = await client.post(USERS, content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code, answer.json()["code"])


async def test_a_long_body_is_refused_declared_or_not(client: httpx2.AsyncClient) -> None:
    body = json.dumps({"name": "x" * 1_100_000}).encode()
    assert_problem(await client.post(USERS, content=body, headers=JSON), 413, "body_too_large")

    async def pieces() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    answer = await client.post(USERS, content=pieces(), headers=JSON)
    assert_problem(answer, 413, "body_too_large")


async def test_fields_are_named_where_they_are_wrong(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    owner = await register()
    shop = await open_shop(owner)
    asked = {"name": "Tea", "variants": [{"sku": "A", "price_minor": 1.0}], "role": "owner"}
    answer = await client.post(
        f"/v1/shops/{shop['id']}/products", json=asked, headers=owner.headers
    )
    found = assert_problem(answer, 422, "invalid_input")
    assert {error["path"] for error in found["errors"]} == {"variants.0.price_minor", "role"}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=1000000000", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=%205", "limit"),
        ("limit=5.0", "limit"),
        ("q=%FF", "query"),
        ("q=%ED%A0%80", "query"),
        ("colour=red", "colour"),
        ("cursor=forged", "cursor"),
        ("in_stock=perhaps", "in_stock"),
        ("shop=nobody", "shop"),
        ("q=%00", "q"),
    ],
)
async def test_parameters_are_known_single_and_bounded(
    client: httpx2.AsyncClient, query: str, path: str
) -> None:
    found = assert_problem(await client.get(f"/v1/products?{query}"), 422, "invalid_input")
    assert [error["path"] for error in found["errors"]] == [path]


async def test_what_is_no_id_names_nothing(client: httpx2.AsyncClient, register: Register) -> None:
    headers = (await register()).headers
    for shop in ("1", "..%2F..", "%00", "00000000-0000-0000-0000-000000000000", "x" * 500):
        answer = await client.get(f"/v1/shops/{shop}/stock", headers=headers)
        assert_problem(answer, 404, "not_found")


async def test_a_slash_too_many_leads_nowhere(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/shops/", "/v1/products/", "/docs/"):
        assert_problem(await client.get(path, headers={"Host": "evil.example"}), 404, "not_found")


async def test_a_call_without_a_body_takes_none(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    owner = await register()
    shop = await open_shop(owner)
    path = f"/v1/shops/{shop['id']}/warehouses/{shop['warehouses'][0]['id']}/activate"
    for body in (b'{"name": "Cellar"}', b"[]", b"junk"):
        answer = await client.post(path, content=body, headers=owner.headers)
        found = assert_problem(answer, 422, "invalid_input")
        assert [error["path"] for error in found["errors"]] == ["body"]
    for body in (b"", b"{}"):
        assert (await client.post(path, content=body, headers=owner.headers)).is_success


async def test_who_hangs_up_is_no_bug(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def answer(message: Any) -> None:
        raise AssertionError(f"nobody is there to be told {message}")

    def bug(*_args: object, **_fields: object) -> None:
        msg = "a client that hangs up is no bug"
        raise AssertionError(msg)

    monkeypatch.setattr(telemetry.ERRORS, "labels", bug)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": USERS,
        "query_string": b"",
        "headers": headers,
    }
    await app(scope, gone, answer)


async def test_the_description_tells_errors_as_they_are(client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    for path in schema["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "requestBody" in operation:
                assert {"400", "413", "422"} <= answers.keys()
                # A provider calls its body what it likes: the signature is over its bytes.
                is_signed = operation["operationId"] == "receive_provider_event"
                assert is_signed or "415" in answers
            errors = [one for status, one in answers.items() if status >= "400"]
            assert all([*one["content"]] == ["application/problem+json"] for one in errors)


async def test_headers_that_must_be_single_are(client: httpx2.AsyncClient) -> None:
    doubled = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]
    assert_problem(await client.get("/v1/me", headers=doubled), 400, "malformed_body")


async def test_a_bug_is_a_500_with_an_id_and_one_log_line(
    app: FastAPI, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_ask: object) -> None:
        msg = "the secret table is orders.secrets"
        raise RuntimeError(msg)

    monkeypatch.setattr(app.state.products, "list_products", broken)
    written = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", written)
    answer = await client.get("/v1/products")
    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["bug"]
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
    assert "the secret table" in lines[0]["exception"]


async def test_a_good_request_id_is_kept_and_a_bad_one_replaced(
    client: httpx2.AsyncClient,
) -> None:
    kept = await client.get("/healthz", headers={"X-Request-Id": "mine-1"})
    assert kept.headers["x-request-id"] == "mine-1"
    for bad in (b"a b", b"x" * 65, b"<script>", "é".encode()):
        answer = await client.get("/healthz", headers={b"X-Request-Id": bad})
        assert len(answer.headers["x-request-id"]) == 36


async def test_the_request_id_reaches_the_ledger(
    client: httpx2.AsyncClient, register: Register, open_shop: OpenShop
) -> None:
    owner = await register()
    shop = await open_shop(owner)
    path = f"/v1/shops/{shop['id']}"
    tea = {"name": "Tea", "variants": [{"sku": "A", "price_minor": 1}]}
    made = (await client.post(f"{path}/products", json=tea, headers=owner.headers)).json()
    line = {"variant_id": made["variants"][0]["id"], "quantity": 1}
    await client.post(
        f"{path}/warehouses/{shop['warehouses'][0]['id']}/receive",
        json={"lines": [line]},
        headers=owner.headers | {"X-Request-Id": "delivery-7"},
    )
    ledger = (await client.get(f"{path}/movements", headers=owner.headers)).json()
    assert ledger["items"][0]["request_id"] == "delivery-7"
    assert ledger["items"][0]["actor_id"] == str(owner.id)


async def test_each_concurrent_request_logs_under_its_own_id(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    telemetry.configure_logs("info", "json")
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        ids = [f"request-{number}" for number in range(20)]
        await asyncio.gather(
            *(client.get("/v1/products", headers={"X-Request-Id": one}) for one in ids)
        )
    finally:
        telemetry.configure_logs("warning", "json")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert sorted(line["request_id"] for line in requests) == sorted(ids)
    assert {line["status"] for line in requests} == {200}


async def test_metrics_count_by_route_and_never_by_id(
    client: httpx2.AsyncClient, register: Register
) -> None:
    shop = "01a20a21-e1ab-73cf-947d-0bec39ae7570"
    await client.get(f"/v1/shops/{shop}/stock", headers=(await register()).headers)
    name = "/v1/me/identities/email/a%2Fb@example.com"
    await client.delete(name, headers=(await register()).headers)
    shown = (await client.get("/metrics")).text
    assert 'route="/v1/shops/{shop}/stock"' in shown
    assert 'route="/v1/me/identities/{kind}/{value}"' in shown
    assert "b@example.com" not in shown
    assert shop not in shown
    assert 'lockstock_refusals_total{code="not_found"}' in shown
    assert 'lockstock_pool_connections{state="idle"}' in shown
