"""A client made by a generator: it takes the description whole, and what it makes works."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

NAME = "generated_lockstock"


@pytest.fixture
def generated(
    app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The package that the generator makes, without a word of complaint."""
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(app.openapi()), encoding="utf-8")
    config = Config.from_sources(
        ConfigFile(post_hooks=[]),
        MetaType.NONE,
        description,
        "utf-8",
        overwrite=False,
        output_path=tmp_path / NAME,
    )
    assert [(e.header, e.detail) for e in generate(config=config)] == []
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(NAME)
    for name in [n for n in sys.modules if n.partition(".")[0] == NAME]:
        del sys.modules[name]


class Program:
    """A program that uses the package against the application."""

    def __init__(self, app: FastAPI) -> None:
        transport = {"transport": httpx.ASGITransport(app=app)}
        clients = importlib.import_module(f"{NAME}.client")
        self._options = {"base_url": "http://testserver", "httpx_args": transport}
        self._clients = clients
        self.client = clients.Client(**self._options)

    def log_in(self, token: str) -> None:
        """Go on as somebody."""
        self.client = self._clients.AuthenticatedClient(token=token, **self._options)

    async def call(self, operation: str, *ids: UUID, **fields: Any) -> Any:
        """Call an operation, named with its tag as in `orders.place_order`."""
        module = importlib.import_module(f"{NAME}.api.{operation}")
        answer = await module.asyncio_detailed(*ids, client=self.client, **fields)
        assert answer.parsed is not None, answer
        return answer.parsed


def model(name: str, content: dict[str, Any]) -> Any:
    """Make a model of the package from JSON."""
    return getattr(importlib.import_module(f"{NAME}.models"), name).from_dict(content)


async def test_a_generated_client_places_an_order(generated: ModuleType, app: FastAPI) -> None:
    """Register, log in, open a shop, stock it, list it, buy from it, be refused."""
    assert generated.__doc__
    program = Program(app)
    login = {"identifier": "ann@example.com", "password": "correct horse battery"}
    asked = {"email": login["identifier"], "password": login["password"]}
    await program.call("users.register", body=model("NewUser", asked))
    tokens = await program.call("users.login", body=model("Login", login))
    program.log_in(tokens.access_token)

    asked = {"name": "Corner shop", "currency": "EUR"}
    shop = await program.call("shops.create_shop", body=model("NewShop", asked))
    teapot: dict[str, Any] = {"name": "Teapot", "variants": [{"sku": "P", "price_minor": 1250}]}
    body = model("NewProduct", teapot)
    product = await program.call("products.create_product", shop.id, body=body)
    line = {"variant_id": str(product.variants[0].id), "quantity": 2}
    body = model("Receive", {"lines": [line]})
    stocked = await program.call(
        "stock.receive_stock", shop.id, shop.warehouses[0].id, body=body, idempotency_key="r-1"
    )
    assert stocked.items[0].on_hand == 2

    listed = await program.call("products.list_products", shop=shop.id, in_stock=True)
    assert [item.id for item in listed.items] == [product.id]

    body = model("NewOrder", {"lines": [line]})
    order = await program.call("orders.place_order", shop.id, body=body, idempotency_key="o-1")
    assert (order.status.value, order.total.amount_minor) == ("awaiting_payment", 2500)
    again = await program.call("orders.place_order", shop.id, body=body, idempotency_key="o-1")
    assert again.id == order.id

    refused = await program.call("orders.place_order", shop.id, body=body, idempotency_key="o-2")
    assert (type(refused).__name__, refused.code) == ("Problem", "out_of_stock")
    assert refused["lines"][0]["available"] == 0
