"""The story of sending: collect what is new, take what is due, post it, note how that went.

Any number of processes may do this at once, and any of them may die at any point. A webhook's lock
is held to collect and to take, and to note; never while something is posted. Who has died in
between is followed by somebody else when the lease is over: an event arrives at least once, and the
receiver knows by its id that it was there before.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from lockstock.events.log import store as log_store
from lockstock.events.log.contract import Event
from lockstock.events.webhooks import rules, telemetry
from lockstock.events.webhooks import store as webhooks
from lockstock.events.webhooks.contract import DisabledReason
from lockstock.events.webhooks.deliveries import store as deliveries
from lockstock.events.webhooks.deliveries.contract import DeliveryStatus
from lockstock.events.webhooks.sender import Message, Outcome, Sender
from lockstock.events.webhooks.sending import store
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.telemetry import log

# Attempts at the same time, over all processes: to a webhook that answers, and to one that does
# not. Who hangs takes one place and not all of them.
MOST_PER_WEBHOOK = 5
MOST_WHILE_FAILING = 1
# Of the places of a process one shop gets no more than this part.
PART_OF_A_SHOP = 0.25
# Events that are collected for a webhook at once, and webhooks that a round looks at.
BATCH = 500
MOST_WEBHOOKS = 200
# After this much more than an attempt may take, whoever has not noted how it went has died.
LEASE_MARGIN_SECONDS = 30.0
# What is under way when the process stops may end within this time.
GRACE_SECONDS = 3.0

START: store.Place = (UUID(int=0), UUID(int=0))


@dataclass(frozen=True)
class SendingOptions:
    """How patient sending is. `most_under_way`: attempts of this process at the same time."""

    retry_seconds: tuple[float, ...]
    failing_seconds: float
    most_under_way: int


@dataclass(frozen=True)
class Parcel:
    """One attempt of this process."""

    shop_id: UUID
    webhook_id: UUID
    taken: store.Taken
    message: Message


class SendingService:
    """Sends on a database."""

    def __init__(self, database: Database, sender: Sender, options: SendingOptions) -> None:
        self.database = database
        self._sender = sender
        self._options = options
        self._under_way: set[asyncio.Task[None]] = set()
        self._per_shop: Counter[UUID] = Counter()
        self._place = START

    async def begin(self) -> int:
        """Begin to send what is due, as far as there is room; return how much was done."""
        done = 0
        places = await self._due(self._place)
        self._place = places[-1] if len(places) == MOST_WEBHOOKS else START
        for shop_id, webhook_id in places:
            room = self._room(shop_id)
            if room > 0:
                collected, parcels = await self._take_or_leave(shop_id, webhook_id, room)
                done += collected + len(parcels)
                for parcel in parcels:
                    self._start(parcel)
        return done

    async def settle(self) -> None:
        """Wait for all that is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self) -> None:
        """Wait a moment for what is under way, then leave it to others."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE_SECONDS)
        left = list(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._sender.close()

    def _room(self, shop_id: UUID) -> int:
        most = self._options.most_under_way
        of_shop = max(1, int(most * PART_OF_A_SHOP))
        return min(most - len(self._under_way), of_shop - self._per_shop[shop_id])

    @reading
    async def _due(self, connection: Connection, after: store.Place) -> list[store.Place]:
        return await store.due_webhooks(connection, after, MOST_WEBHOOKS)

    async def _take_or_leave(
        self, shop_id: UUID, webhook_id: UUID, room: int
    ) -> tuple[int, list[Parcel]]:
        try:
            return await self._take(shop_id, webhook_id, room)
        except Refusal:
            raise
        except Exception:
            # What is wrong with one webhook must not keep the others waiting.
            names = {"shop": str(shop_id), "webhook": str(webhook_id)}
            log().exception("webhook_left_for_later", **names)
            return 0, []

    @transaction
    async def _take(
        self, connection: Connection, shop_id: UUID, webhook_id: UUID, room: int
    ) -> tuple[int, list[Parcel]]:
        """Collect what is new for a webhook and take what is due, both under its lock."""
        receiver = await store.lock_receiver(connection, shop_id, webhook_id)
        if receiver is None:
            return 0, []
        collected = await _collect(connection, shop_id, webhook_id, receiver)
        most = MOST_WHILE_FAILING if receiver.failing else MOST_PER_WEBHOOK
        most = min(room, most - receiver.under_way)
        if most <= 0:
            return collected, []
        lease_seconds = self._sender.timeout_seconds + LEASE_MARGIN_SECONDS
        taken = await store.take_due(connection, shop_id, webhook_id, most, lease_seconds)
        await store.begin_attempts(connection, shop_id, taken)
        found = await log_store.find_events(connection, shop_id, [one.event_id for one in taken])
        parcels = []
        for one in taken:
            event = _ping(shop_id, one) if one.is_ping else found[one.event_id]
            body = event.model_dump_json()
            message = Message(one.event_id, receiver.url, body, receiver.secrets)
            parcels.append(Parcel(shop_id, webhook_id, one, message))
        return collected, parcels

    def _start(self, parcel: Parcel) -> None:
        task = asyncio.create_task(self._deliver(parcel), name="deliver an event")
        self._under_way.add(task)
        self._per_shop[parcel.shop_id] += 1
        telemetry.UNDER_WAY.set(len(self._under_way))

        def end(_: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            self._per_shop[parcel.shop_id] -= 1
            if not self._per_shop[parcel.shop_id]:
                del self._per_shop[parcel.shop_id]
            telemetry.UNDER_WAY.set(len(self._under_way))

        task.add_done_callback(end)

    async def _deliver(self, parcel: Parcel) -> None:
        names = {"shop": str(parcel.shop_id), "webhook": str(parcel.webhook_id)}
        try:
            outcome = await self._sender.send(parcel.message)
            status, reason = await self._record(parcel, outcome)
        except Exception:
            # It is sent again when the lease is over.
            log().exception("delivery_not_noted", delivery=str(parcel.taken.id), **names)
            return
        telemetry.DELIVERIES.labels("retried" if status == "waiting" else status).inc()
        if reason:
            telemetry.DISABLED.labels(reason).inc()
            log().warning("webhook_disabled", reason=reason, **names)

    @transaction
    async def _record(
        self, connection: Connection, parcel: Parcel, outcome: Outcome
    ) -> tuple[DeliveryStatus, DisabledReason | None]:
        """Note how an attempt went; return how the delivery stands, and why it was the last one."""
        shop_id, webhook_id, taken = parcel.shop_id, parcel.webhook_id, parcel.taken
        status, delay_seconds = self._standing(taken, outcome)
        webhook = await webhooks.lock_webhook(connection, shop_id, webhook_id)
        if webhook is None:
            return status, None
        await store.end_attempt(connection, shop_id, taken, outcome)
        if not await store.end_delivery(connection, shop_id, taken, status, delay_seconds):
            return status, None
        if status != "waiting":
            await store.let_next_go(connection, shop_id, webhook_id, taken.subject_id)
        if outcome.error is None:
            await webhooks.note_success(connection, shop_id, webhook_id)
            return status, None
        failing = await webhooks.note_failure(
            connection, shop_id, webhook_id, self._options.failing_seconds
        )
        reason: DisabledReason | None = None
        # Another address, or one that is off already, has nothing to do with this answer.
        if webhook.active and webhook.url == parcel.message.url:
            reason = "gone" if outcome.is_gone else "failing" if failing else None
        if reason:
            await webhooks.disable_webhook(connection, shop_id, webhook_id, reason)
        return status, reason

    def _standing(self, taken: store.Taken, outcome: Outcome) -> tuple[DeliveryStatus, float]:
        if outcome.error is None:
            return "delivered", 0.0
        chance = random.random()  # noqa: S311 (jitter)
        delay_seconds = rules.delay_seconds(self._options.retry_seconds, taken.tries, chance)
        if delay_seconds is None or outcome.is_gone:
            return "failed", 0.0
        return "waiting", delay_seconds


async def _collect(
    connection: Connection, shop_id: UUID, webhook_id: UUID, receiver: store.Receiver
) -> int:
    """Make deliveries of the next events in the log that the webhook wants."""
    found = await log_store.events_after(connection, shop_id, receiver.sequence, BATCH)
    wanted = [event for event in found if rules.wants(receiver.kinds, event.kind)]
    if wanted:
        await deliveries.add_deliveries(connection, shop_id, webhook_id, wanted)
    if found:
        await store.set_sequence(connection, shop_id, webhook_id, found[-1].sequence)
    return len(found)


def _ping(shop_id: UUID, taken: store.Taken) -> Event:
    """Make the event of a test. It has no number, since it is in no log."""
    return Event(
        id=taken.event_id,
        shop_id=shop_id,
        sequence=0,
        kind=taken.kind,
        subject_id=taken.subject_id,
        data={},
        occurred_at=taken.created_at,
    )
