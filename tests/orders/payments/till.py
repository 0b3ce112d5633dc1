"""A shop as seen through HTTP, with the sandbox's faults at hand, and time that can be moved."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx2
from pydantic import SecretStr

from lockstock.app import Services
from lockstock.kernel.database import Connection
from lockstock.settings import Settings
from tests.conftest import User

PRICE_MINOR = 1250
API_KEY = "sk_test_lockstock"
WEBHOOK_SECRET = "whsec_lockstock"
MANY = 500

# What waits for its time: in which table, in which column, in which rows.
_WAITING = (
    ("payment_events", "next_try_at"),
    ("refunds", "next_try_at"),
    ("payments", "close_at"),
    ("sandbox_deliveries", "due_at"),
    ("orders", "stock_check_at"),
    ("orders", "leased_until"),
)


@dataclass
class Till:
    """A shop with ten units of one variant, its owner, and a customer."""

    client: httpx2.AsyncClient
    services: Services
    owner: User
    customer: User
    shop: dict[str, Any]
    variant_id: str
    keys: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def base(self) -> str:
        """The shop."""
        return f"/v1/shops/{self.shop['id']}"

    async def post(
        self, path: str, body: Any = None, user: User | None = None, key: str | None = None
    ) -> httpx2.Response:
        """Send a body as the customer, under a key of its own."""
        headers = {"Idempotency-Key": key or f"key-{next(self.keys)}"}
        headers |= (user or self.customer).headers
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, user: User | None = None) -> Any:
        """Read as the customer."""
        answer = await self.client.get(path, headers=(user or self.customer).headers)
        return answered(answer, 200)

    async def place(self, quantity: int = 1, key: str | None = None) -> dict[str, Any]:
        """Place an order."""
        body = {"lines": [{"variant_id": self.variant_id, "quantity": quantity}]}
        order: dict[str, Any] = answered(await self.post(f"{self.base}/orders", body, key=key))
        return order

    async def start(
        self, order: dict[str, Any], provider: str = "sandbox", key: str | None = None
    ) -> dict[str, Any]:
        """Start an attempt to pay."""
        body = {"provider": provider}
        payment: dict[str, Any] = answered(await self.post(order["pay"], body, key=key))
        return payment

    async def tell(self, payment: dict[str, Any], verb: str = "succeed", **faults: Any) -> str:
        """Tell the sandbox what happens; return the id of the event that says so."""
        path = f"/v1/sandbox/payments/{payment['id']}/{verb}"
        event_id: str = answered(await self.post(path, faults), 202)["event_id"]
        return event_id

    async def time_out(self, order: dict[str, Any], call: str, times: int = 1) -> None:
        """Let the sandbox's next calls time out."""
        path = f"{self.base}/orders/{order['id']}/sandbox/time-out"
        answered(await self.post(path, {"call": call, "times": times}), 200)

    async def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as it is now."""
        found: dict[str, Any] = await self.get(f"{self.base}/orders/{order['id']}")
        return found

    async def stands(self, order: dict[str, Any]) -> tuple[str, list[str], list[tuple[str, str]]]:
        """How it stands: the order, its attempts, its refunds by cause and status."""
        here = f"{self.base}/orders/{order['id']}"
        payments = await self.get(f"{here}/payments")
        refunds = await self.get(f"{here}/refunds")
        return (
            (await self.order(order))["status"],
            [item["status"] for item in payments["items"]],
            [(item["cause"], item["status"]) for item in refunds["items"]],
        )

    async def stock(self) -> tuple[int, int, int]:
        """On hand, held, committed."""
        rows = (await self.get(f"{self.base}/stock", self.owner))["items"]
        return (
            sum(row["on_hand"] for row in rows),
            sum(row["held"] for row in rows),
            sum(row["committed"] for row in rows),
        )

    async def outcomes(self) -> list[str | None]:
        """What the events came to, in the order in which they came."""
        rows = await self.rows("SELECT outcome FROM orders.payment_events ORDER BY received_at, id")
        return [row["outcome"] for row in rows]

    async def rows(self, query: str) -> list[Any]:
        """Look into the database."""

        async def read(connection: Connection) -> list[Any]:
            found: list[Any] = await connection.fetch(query)
            return found

        return await self.services.payments.database.read(read)

    async def run(self, *statements: str) -> None:
        """Change the database by hand."""

        async def change(connection: Connection) -> None:
            for statement in statements:
                await connection.execute(statement)

        await self.services.payments.database.transaction(change)

    async def pass_deadline(self, order: dict[str, Any]) -> None:
        """Let the time to pay be over, wherever it is written."""
        past = "SET expires_at = 'epoch'"
        await self.run(
            f"UPDATE orders.orders {past} WHERE id = '{order['id']}'",
            f"UPDATE warehouses.reservations {past} WHERE order_id = '{order['id']}'",
            f"UPDATE warehouses.allocations {past} WHERE order_id = '{order['id']}'",
        )

    async def later(self, *, look_up: bool = False) -> None:
        """Let the worker do all that waits for its time, as if that had come."""
        waiting = [*_WAITING, ("payments", "look_up_at")] if look_up else _WAITING
        for _ in range(3):
            await self.run(
                *(
                    f"UPDATE orders.{table} SET {column} = statement_timestamp()"  # noqa: S608
                    f" - interval '1 second' WHERE {column} > statement_timestamp()"
                    for table, column in waiting
                )
            )
            await self.work()

    async def work(self) -> None:
        """Do one round of what the worker does, with time as it is."""
        made = self.services
        for sweep in (
            made.orders.sweep,
            made.sandbox.sweep,
            made.payments.sweep,
            made.refunds.sweep,
        ):
            await sweep(MANY)


def stripe_settings(api_base: str) -> Settings:
    """Settings of a server with the sandbox and Stripe, whose API is there."""
    return Settings(
        _env_file=None,
        sweep_seconds=0,
        sandbox_payments=True,
        stripe_api_key=SecretStr(API_KEY),
        stripe_webhook_secret=SecretStr(WEBHOOK_SECRET),
        stripe_api_base=api_base,
    )


def answered(answer: httpx2.Response, status: int = 201) -> Any:
    """Return what was answered."""
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: httpx2.Response, status: int, code: str) -> Any:
    """Return the problem that was answered."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    return problem
