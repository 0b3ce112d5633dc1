"""The hot route of a checkout means what the usual route means, to the letter."""

import json
from typing import Any

import httpx2
import pytest
import structlog
from fastapi import FastAPI

from lockstock.kernel import telemetry
from lockstock.kernel.hot import HotCall, HotRoutes, plain_body
from lockstock.kernel.ids import new_id
from lockstock.kernel.strict_json import decode
from lockstock.orders import checkout
from lockstock.orders.contract import NewOrder
from tests.conftest import OpenShop, Register, User

# The plain route does not take a request that says how it is encoded: it goes the usual way.
USUAL_WAY = {"Content-Encoding": "identity"}
ENCODED = [(b"Content-Encoding", b"identity")]
JSON = {"Content-Type": "application/json"}


class Counter:
    """Counts what the hot route answered by itself."""

    def __init__(self) -> None:
        self.answered = 0

    async def place(self, call: HotCall) -> Any:
        answer = await checkout.place(call)
        self.answered += answer is not None
        return answer


@pytest.fixture
def hot(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Count the answers of the hot route."""
    counter = Counter()
    monkeypatch.setattr(checkout.PLACE, "answer", counter.place)
    assert str(HotRoutes) in [str(kept.cls) for kept in app.user_middleware]
    return counter


@pytest.fixture
async def owner(register: Register, client: httpx2.AsyncClient) -> User:
    """Somebody whose token has been verified once."""
    found = await register()
    assert (await client.get("/v1/me", headers=found.headers)).status_code == 200
    return found


@pytest.fixture
async def place(client: httpx2.AsyncClient, open_shop: OpenShop, owner: User) -> tuple[str, str]:
    """The path of a shop's orders, and a variant of which there are 10."""
    shop = await open_shop(owner)
    path = f"/v1/shops/{shop['id']}"
    tea = {"name": "Tea", "variants": [{"sku": "TEA", "price_minor": 450}]}
    made = await client.post(f"{path}/products", json=tea, headers=owner.headers)
    variant = made.json()["variants"][0]["id"]
    lines = {"lines": [{"variant_id": variant, "quantity": 10}]}
    received = f"{path}/warehouses/{shop['warehouses'][0]['id']}/receive"
    answer = await client.post(received, json=lines, headers=owner.headers)
    assert answer.status_code == 200, answer.text
    return f"{path}/orders", variant


def without_its_own(answer: httpx2.Response) -> tuple[int, Any, dict[str, str]]:
    """What two answers to the same request have in common."""
    body = json.loads(answer.text)
    for name in ("id", "created_at", "expires_at", "pay", "request_id"):
        body.pop(name, None)
    own = {"x-request-id", "content-length"}
    return answer.status_code, body, {k: v for k, v in answer.headers.items() if k not in own}


async def test_an_order_is_answered_alike(
    client: httpx2.AsyncClient, owner: User, place: tuple[str, str], hot: Counter
) -> None:
    path, variant = place
    ask = {"lines": [{"variant_id": variant, "quantity": 2}]}
    answers = []
    for key, way in (("a", {}), ("b", USUAL_WAY)):
        headers = owner.headers | {"Idempotency-Key": key} | way
        answers.append(await client.post(path, json=ask, headers=headers))
    assert hot.answered == 1
    assert [answer.status_code for answer in answers] == [201, 201]
    assert without_its_own(answers[0]) == without_its_own(answers[1])
    assert list(answers[0].json()) == list(answers[1].json())


async def test_the_log_names_the_customer_by_either_way(
    client: httpx2.AsyncClient,
    owner: User,
    place: tuple[str, str],
    hot: Counter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, variant = place
    lines: list[dict[str, Any]] = []

    def note(**_: Any) -> None:
        lines.append(structlog.contextvars.get_contextvars())

    monkeypatch.setattr(telemetry, "log_request", note)
    ask = {"lines": [{"variant_id": variant, "quantity": 2}]}
    for key, way in (("a", {}), ("b", USUAL_WAY)):
        await client.post(path, json=ask, headers=owner.headers | {"Idempotency-Key": key} | way)
    assert hot.answered == 1
    assert [line.get("actor") for line in lines] == [str(owner.id)] * 2


async def test_a_key_is_one_key_by_either_way(
    client: httpx2.AsyncClient, owner: User, place: tuple[str, str], hot: Counter
) -> None:
    path, variant = place
    ask = {"lines": [{"variant_id": variant, "quantity": 2}]}
    headers = owner.headers | {"Idempotency-Key": "one"}
    answers = [
        await client.post(path, json=ask, headers=headers | way)
        for way in ({}, USUAL_WAY, {}, USUAL_WAY)
    ]
    assert hot.answered == 2
    assert len({answer.text for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [
        None,
        "true",
        "true",
        "true",
    ]
    other = {"lines": [{"variant_id": variant, "quantity": 3}]}
    for way in ({}, USUAL_WAY):
        refused = await client.post(path, json=other, headers=headers | way)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


BODIES = {
    "too many": '{"lines": [{"variant_id": "%s", "quantity": 11}]}',
    "twice the same variant": '{"lines": [{"variant_id": "%s", "quantity": 1},'
    ' {"variant_id": "%s", "quantity": 1}]}',
    "for nobody": '{"lines": []}',
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a zero": '{"lines": [{"variant_id": "%s", "quantity": 0}]}',
    "a half": '{"lines": [{"variant_id": "%s", "quantity": 0.5}]}',
    "a one of floats": '{"lines": [{"variant_id": "%s", "quantity": 1.0}]}',
    "a true": '{"lines": [{"variant_id": "%s", "quantity": true}]}',
    "a text": '{"lines": [{"variant_id": "%s", "quantity": "1"}]}',
    "NaN": '{"lines": [{"variant_id": "%s", "quantity": NaN}]}',
    "infinity": '{"lines": [{"variant_id": "%s", "quantity": 1e999}]}',
    "a huge number": '{"lines": [{"variant_id": "%s", "quantity": ' + "9" * 5000 + "}]}",
    "a key twice": '{"lines": [{"variant_id": "%s", "quantity": 1, "quantity": 2}]}',
    "all twice": '{"lines": [], "lines": [{"variant_id": "%s", "quantity": 1}]}',
    "an unknown field": '{"lines": [{"variant_id": "%s", "quantity": 1}], "price": 1}',
    "an escaped key": '{"\\u006cines": [{"variant_id": "%s", "quantity": 1}]}',
    "NUL": '{"lines": [{"variant_id": "%s", "quantity": 1}], "ship_to": {"name": "a\\u0000"}}',
    "half a pair": '{"lines": [{"variant_id": "%s", "quantity": 1}],'
    ' "ship_to": {"name": "\\ud800"}}',
    "not JSON": '{"lines": [{"variant_id": "%s", "quantity": 1}]',
    "something after it": '{"lines": [{"variant_id": "%s", "quantity": 1}]} 1',
    "a byte order mark": '\ufeff{"lines": [{"variant_id": "%s", "quantity": 1}]}',
    "deep": '{"lines": ' + "[" * 5000 + "]" * 5000 + "}",
    "no id": '{"lines": [{"variant_id": "tea", "quantity": 1}]}',
    "an id in another dress": '{"lines": [{"variant_id": "{%s}", "quantity": 1}]}',
    "nobody's variant": '{"lines": [{"variant_id": "01a20a21-e1ab-73cf-947d-0bec39ae7570",'
    ' "quantity": 1}]}',
    "an address": '{"lines": [{"variant_id": "%s", "quantity": 1}],'
    ' "ship_to": {"name": "Ann: c/o", "city": "Köln", "country": "DE"}}',
    "a blank name": '{"lines": [{"variant_id": "%s", "quantity": 1}], "ship_to": {"name": " "}}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_each_body_is_answered_alike(
    client: httpx2.AsyncClient, owner: User, place: tuple[str, str], name: str
) -> None:
    path, variant = place
    body = BODIES[name].replace("%s", variant).encode()
    answers = [
        await client.post(
            path,
            content=body,
            headers=owner.headers | JSON | {"Idempotency-Key": key} | way,
        )
        for key, way in (("a", {}), ("b", USUAL_WAY))
    ]
    assert answers[0].status_code < 500
    assert without_its_own(answers[0]) == without_its_own(answers[1])


HEADERS: dict[str, dict[str, str | None]] = {
    "no key": {"Idempotency-Key": None},
    "an empty key": {"Idempotency-Key": ""},
    "a long key": {"Idempotency-Key": "k" * 256},
    "a key of other letters": {"Idempotency-Key": "schlüssel"},
    "no token": {"Authorization": None},
    "another scheme": {"Authorization": "Basic YTpi"},
    "a broken token": {"Authorization": "Bearer x.y.z"},
    "no type": {"Content-Type": None},
    "another type": {"Content-Type": "text/plain"},
    "another charset": {"Content-Type": "application/json; charset=latin-1"},
}


@pytest.mark.parametrize("name", HEADERS)
async def test_each_head_is_answered_alike(
    client: httpx2.AsyncClient, owner: User, place: tuple[str, str], name: str
) -> None:
    path, variant = place
    body = json.dumps({"lines": [{"variant_id": variant, "quantity": 1}]}).encode()
    usual = owner.headers | JSON | {"Idempotency-Key": "a"}
    headers = {k: v for k, v in (usual | HEADERS[name]).items() if v is not None}
    sent = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    answers = [
        await client.post(path, content=body, headers=[*sent, *way]) for way in ([], ENCODED)
    ]
    assert 400 <= answers[0].status_code < 500
    assert without_its_own(answers[0]) == without_its_own(answers[1])


async def test_a_parameter_a_doubled_header_and_a_strange_shop_are_refused_as_ever(
    client: httpx2.AsyncClient, owner: User, place: tuple[str, str], hot: Counter
) -> None:
    path, variant = place
    ask = {"lines": [{"variant_id": variant, "quantity": 1}]}
    headers = owner.headers | {"Idempotency-Key": "a"}
    asked = await client.post(f"{path}?dry_run=true", json=ask, headers=headers)
    assert (asked.status_code, asked.json()["code"]) == (422, "invalid_input")
    doubled = [*headers.items(), ("Idempotency-Key", "b")]
    twice = await client.post(path, json=ask, headers=doubled)
    assert (twice.status_code, twice.json()["code"]) == (400, "malformed_body")
    strange = await client.post(f"/v1/shops/{new_id()}/orders", json=ask, headers=headers)
    assert (strange.status_code, strange.json()["code"]) == (404, "not_found")
    assert hot.answered == 0


@pytest.mark.parametrize("name", BODIES)
def test_what_is_plain_is_what_the_strict_reader_reads(name: str) -> None:
    body = BODIES[name].replace("%s", str(new_id())).encode()
    found = plain_body(NewOrder, body)
    if found is not None:
        assert found == NewOrder.model_validate(decode(body))
