"""`lockstock explain` on the embedded PostgreSQL, beside a server and without one."""

import json
from typing import Any

import httpx2
import pytest

from tests.journeys.test_command_line import client_of, data_dir, env, lockstock
from tests.servers import running

pytestmark = pytest.mark.journeys

# The fixtures of the command line's own tests, for this module.
__all__ = ["data_dir", "env"]


async def shop_with_teapots(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Open a shop with 3 units of the SKU TEAPOT."""
    ann = {"email": "ann@example.com", "password": "correct horse"}
    await client.post("/v1/users", json=ann)
    login = {"identifier": ann["email"], "password": ann["password"]}
    token = (await client.post("/v1/login", json=login)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    made = await client.post("/v1/shops", json={"name": "Teashop", "currency": "EUR"})
    shop: dict[str, Any] = made.json()
    base = f"/v1/shops/{shop['id']}"
    product = {"name": "Teapot", "variants": [{"sku": "TEAPOT", "price_minor": 1250}]}
    variant = (await client.post(f"{base}/products", json=product)).json()["variants"][0]["id"]
    received = await client.post(
        f"{base}/warehouses/{shop['warehouses'][0]['id']}/receive",
        json={"lines": [{"variant_id": variant, "quantity": 3}]},
    )
    assert received.status_code == 200, received.text
    return shop


async def test_it_explains_beside_the_server_and_without_one(env: dict[str, str]) -> None:
    async with running(env) as (address, _), client_of(address) as client:
        shop = await shop_with_teapots(client)
        words = ("explain", "--shop", shop["id"], "--variant", "TEAPOT")
        code, beside = await lockstock(env, *words)
        assert code == 0, beside
        assert "3 units can be sold, from 1 of 1 warehouse." in beside
    code, alone = await lockstock(env, *words, "--warehouse", "Main warehouse", "--json")
    assert code == 0, alone
    found = json.loads(alone[alone.index('{"question"') :].split("\n")[0])
    assert (found["question"], found["on_hand"], found["agrees"]) == ("on_hand", 3, True)
    code, said = await lockstock(env, "explain", "--shop", shop["id"], "--variant", "KETTLE")
    assert code == 1
    assert "no variant with the SKU or id KETTLE" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Give --variant, --variant and --warehouse, or --order."),
        (("--variant", "A", "--order", "B"), "or --order."),
        (("--order", "B", "--warehouse", "North"), "--warehouse goes with --variant."),
        (("--variant", "A", "--as-of", "2026-11-23T20:55:00Z"), "--as-of goes with"),
    ],
)
async def test_words_that_are_no_question_are_told_and_start_nothing(
    env: dict[str, str], words: tuple[str, ...], told: str
) -> None:
    code, said = await lockstock(env, "explain", "--shop", "any", *words)
    assert code == 2
    assert told in " ".join(said.replace("│", " ").split())
    assert "PostgreSQL" not in said
