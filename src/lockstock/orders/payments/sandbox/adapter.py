"""The sandbox as a provider. What it was told and asked it keeps, as a real one would."""

from collections.abc import Mapping

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.orders.payments.contract import (
    EventKind,
    Opened,
    Payment,
    PaymentEvent,
    Refund,
)
from lockstock.orders.payments.provider import ProviderTimedOut, looked_up_id
from lockstock.orders.payments.sandbox import store
from lockstock.orders.payments.sandbox.contract import (
    NAME,
    SandboxCall,
    SandboxEvent,
    SandboxPayment,
    SandboxStatus,
)
from lockstock.orders.payments.sandbox.signing import Signer

_KINDS: dict[SandboxStatus, EventKind] = {
    "captured": "captured",
    "failed": "failed",
    "cancelled": "cancelled",
}


class SandboxTimeout(ProviderTimedOut):
    """The call had its effect, and the answer never came: the sandbox was told to do so."""


class Sandbox:
    """The adapter. `keys` are the server's signing keys: the first signs, all of them verify."""

    def __init__(self, database: Database, keys: list[str], base_url: str) -> None:
        self.database = database
        self.signer = Signer(keys)
        self._base_url = base_url.rstrip("/")

    async def create(self, payment: Payment) -> Opened:
        """Open a payment."""
        _answer("create", timed_out=await self._create(payment))
        return Opened(
            reference=str(payment.id),
            pay_url=f"{self._base_url}/v1/sandbox/payments/{payment.id}",
        )

    @transaction
    async def _create(self, connection: Connection, payment: Payment) -> bool:
        await store.open_at_sandbox(connection, payment)
        return await store.take_fault(connection, payment, "create")

    async def cancel(self, payment: Payment) -> None:
        """Close a payment. Told to, the sandbox would still take the money, as a race would."""
        _answer("cancel", timed_out=await self._cancel(payment))

    @transaction
    async def _cancel(self, connection: Connection, payment: Payment) -> bool:
        await store.change_at_sandbox(connection, payment, "cancelled", None)
        return await store.take_fault(connection, payment, "cancel")

    async def refund(self, payment: Payment, refund: Refund) -> None:
        """Give money back, at once and once."""
        _answer("refund", timed_out=await self._refund(payment, refund))

    @transaction
    async def _refund(self, connection: Connection, payment: Payment, refund: Refund) -> bool:
        await store.refund_at_sandbox(connection, refund)
        return await store.take_fault(connection, payment, "refund")

    async def look_up(self, payment: Payment) -> PaymentEvent | None:
        """Ask how a payment stands."""
        found = await self._find(payment)
        if found is None or found.status == "open":
            return None
        kind = _KINDS[found.status]
        amount = found.captured or payment.amount
        return PaymentEvent(
            provider=NAME,
            event_id=looked_up_id(payment, kind),
            shop_id=payment.shop_id,
            payment_id=payment.id,
            kind=kind,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            payload={"looked_up": found.model_dump(mode="json")},
        )

    @reading
    async def _find(self, connection: Connection, payment: Payment) -> SandboxPayment | None:
        return await store.find_at_sandbox(connection, payment.shop_id, payment.id)

    def sign(self, event: SandboxEvent) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body with which the event is delivered."""
        return self.signer.sign(event)

    def verify(self, headers: Mapping[str, str], body: bytes) -> PaymentEvent:
        """Read an event. Raises BadSignature, MalformedBody, InvalidInput."""
        return self.signer.verify(headers, body)

    async def close(self) -> None:
        """Nothing to let go of: the database is its opener's."""


def _answer(call: SandboxCall, *, timed_out: bool) -> None:
    if timed_out:
        raise SandboxTimeout(f"the sandbox was told to let {call} time out")
