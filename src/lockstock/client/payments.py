"""Calls about money: payments, refunds, and the sandbox."""

from collections.abc import AsyncIterator
from typing import Any, cast

from lockstock.client.answers import OrderId, Payment, Received, Refund, TimingOut
from lockstock.client.calls import Calls


class PaymentCalls(Calls):
    """Payments. Each act takes a `key`: the same key again is the same act."""

    async def start_payment(self, order: OrderId, key: str, provider: str = "sandbox") -> Payment:
        """Start an attempt to pay an order. The customer pays at its `pay_url`."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/payments"
        found = await self._send("POST", path, {"provider": provider}, key=key)
        return cast("Payment", found)

    async def payments(self, order: OrderId) -> list[Payment]:
        """The attempts to pay an order, oldest first."""
        return await self._items(f"/v1/shops/{order['shop_id']}/orders/{order['id']}/payments")

    async def shop_payments(self, shop_id: str, **query: Any) -> AsyncIterator[Payment]:  # noqa: ANN401
        """Go through the shop's payments, newest first. `query`: review."""
        async for payment in self._pages(f"/v1/shops/{shop_id}/payments", query):
            yield cast("Payment", payment)

    async def review_payment(self, shop_id: str, payment_id: str, reason: str) -> Payment:
        """Say what came of looking at a payment that was flagged."""
        path = f"/v1/shops/{shop_id}/payments/{payment_id}/reviewed"
        return cast("Payment", await self._send("POST", path, {"reason": reason}))

    async def refund(self, order: OrderId, amount_minor: int, reason: str, key: str) -> Refund:
        """Give money of an order back."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/refunds"
        body = {"amount_minor": amount_minor, "reason": reason}
        return cast("Refund", await self._send("POST", path, body, key=key))

    async def refunds(self, order: OrderId) -> list[Refund]:
        """The refunds of an order, oldest first."""
        return await self._items(f"/v1/shops/{order['shop_id']}/orders/{order['id']}/refunds")

    # The sandbox: for development and tests

    async def pay(self, order: OrderId, key: str) -> Payment:
        """Pay an order at the sandbox, which takes the money at once."""
        payment = await self.start_payment(order, key)
        await self.succeed(payment["id"])
        return payment

    async def sandbox_payment(self, payment_id: str) -> Payment:
        """A payment as who has its link sees it."""
        return cast("Payment", await self._send("GET", f"/v1/sandbox/payments/{payment_id}"))

    async def succeed(self, payment_id: str, **fields: Any) -> Received:  # noqa: ANN401
        """Let the sandbox take the money. `fields`: what goes wrong, as delay_seconds, lose."""
        path = f"/v1/sandbox/payments/{payment_id}/succeed"
        return await self._tell(path, {"event_id": payment_id} | fields)

    async def fail(self, payment_id: str, **fields: Any) -> Received:  # noqa: ANN401
        """Let the sandbox refuse the money. `fields`: as of `succeed`."""
        path = f"/v1/sandbox/payments/{payment_id}/fail"
        return await self._tell(path, {"event_id": f"{payment_id}-failed"} | fields)

    async def _tell(self, path: str, body: dict[str, Any]) -> Received:
        # An event of the same id is the same event, so it may be sent again.
        return cast("Received", await self._send("POST", path, body, key=body["event_id"]))

    async def time_out(self, order: OrderId, call: str, times: int = 1) -> TimingOut:
        """Let the next calls to the sandbox time out. `call`: create, cancel, refund."""
        path = f"/v1/shops/{order['shop_id']}/orders/{order['id']}/sandbox/time-out"
        body = {"call": call, "times": times}
        return cast("TimingOut", await self._send("POST", path, body))
