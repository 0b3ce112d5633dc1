"""What the sandbox provider did: money taken, refused and given back."""

from datetime import datetime, timedelta

from lockstock.demo import past
from lockstock.demo.scene import Scene
from lockstock.kernel.ids import derived_id
from lockstock.orders.payments.contract import EventKind, PaymentEvent, RefundCause

PROVIDER = "sandbox"

# From the click to the provider's event, and from there to the end of what it sets off.
TO_PAY = timedelta(seconds=12)
AT_ONCE = timedelta(seconds=1)


class Payments:
    """The payments and refunds of a past."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def capture(self, order: past.Order, at: datetime) -> past.Payment:
        """Take the whole price of an order."""
        payment = self._start(order, at)
        payment.status = "captured"
        payment.captured_minor = payment.amount_minor
        payment.captured_currency = payment.currency
        self._tell(payment, "captured", "pay", at)
        return payment

    def fail(self, order: past.Order, at: datetime) -> None:
        """Try to take the price of an order, in vain."""
        payment = self._start(order, at)
        payment.status = "failed"
        self._tell(payment, "failed", "attempt_failed", at)

    def refund_all(self, order: past.Order, at: datetime, request_id: str) -> None:
        """Give the price of a cancelled order back."""
        payment = self._paid(order)
        self._scene.past.refunds.append(
            past.Refund(
                id=derived_id("refund", payment.id, "cancelled"),
                order_id=order.id,
                payment_id=payment.id,
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                cause="cancelled",
                reason=None,
                created_at=at,
                done_at=at + AT_ONCE,
                actor_id=order.customer_id,
                request_id=request_id,
            )
        )
        payment.status = "refunded"

    def refund_return(self, order: past.Order, taken_back: past.Return) -> None:
        """Give the price of what came back. An order is returned from once."""
        payment = self._paid(order)
        cause: RefundCause = "returned"
        self._scene.past.refunds.append(
            past.Refund(
                id=taken_back.id,
                order_id=order.id,
                payment_id=payment.id,
                amount_minor=taken_back.refund_minor,
                currency=payment.currency,
                cause=cause,
                reason=taken_back.reason,
                created_at=taken_back.created_at,
                done_at=taken_back.created_at + AT_ONCE,
                actor_id=taken_back.actor_id,
                request_id=taken_back.request_id,
            )
        )
        if taken_back.refund_minor == payment.captured_minor:
            payment.status = "refunded"

    def _paid(self, order: past.Order) -> past.Payment:
        return next(item for item in self._scene.past.payments if item.id == order.paid_by)

    def _start(self, order: past.Order, at: datetime) -> past.Payment:
        payment_id = self._scene.new_id("payment")
        payment = past.Payment(
            id=payment_id,
            order_id=order.id,
            amount_minor=order.total_minor,
            currency=order.currency,
            reference=str(payment_id),
            created_at=max(order.created_at, at - TO_PAY),
        )
        self._scene.past.payments.append(payment)
        return payment

    def _tell(self, payment: past.Payment, kind: EventKind, outcome: str, at: datetime) -> None:
        shop_id, event_id = self._scene.setting.shop_id, str(self._scene.new_id("event"))
        payload = {
            "event_id": event_id,
            "shop_id": str(shop_id),
            "order_id": str(payment.order_id),
            "payment_id": str(payment.id),
            "kind": kind,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "created": int(at.timestamp()),
        }
        event = PaymentEvent(
            provider=PROVIDER,
            event_id=event_id,
            shop_id=shop_id,
            payment_id=payment.id,
            kind=kind,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            payload=payload,
        )
        self._scene.past.events.append(
            past.PaymentEvent(
                id=event.id,
                event_id=event_id,
                payment_id=payment.id,
                kind=kind,
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                payload=payload,
                received_at=at,
                applied_at=at,
                outcome=outcome,
            )
        )
