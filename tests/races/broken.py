"""Variants of the code with a guard taken out: what a race must be able to find.

A race that passes on the real code says little unless it fails on these.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import pytest

from lockstock.kernel.database import Connection, Database
from lockstock.warehouses.reservations import store as reservations
from lockstock.warehouses.reservations.caps import store as caps
from lockstock.warehouses.stock import store as stock
from lockstock.warehouses.stock.rules import Level

CHECKS = ("never_oversold", "held_is_not_negative", "committed_is_not_negative")


async def execute(statement: str, connection: Connection) -> None:
    """Run a statement of the test's own."""
    await connection.execute(statement)


async def drop_checks(database: Database) -> None:
    """Take away the database's own refusal, the last of the guards."""
    for check in CHECKS:
        statement = f"ALTER TABLE warehouses.stock DROP CONSTRAINT {check}"
        await database.read(partial(execute, statement))


@contextmanager
def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Read stock without locking it."""
    with monkeypatch.context() as patch:
        for module, name in (
            (reservations, "LOCK_VARIANTS"),
            (stock, "LOCK_STOCK"),
        ):
            text = getattr(module, name)
            unlocked = text.replace("FOR UPDATE OF s", "").replace("FOR UPDATE", "")
            assert unlocked != text
            patch.setattr(module, name, unlocked)
        yield


@contextmanager
def without_the_lock_on_warehouses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at the active flag without holding it."""
    with monkeypatch.context() as patch:
        text = reservations.ACTIVE_WAREHOUSES
        assert "FOR KEY SHARE" in text
        patch.setattr(reservations, "ACTIVE_WAREHOUSES", text.replace("FOR KEY SHARE", ""))
        yield


@contextmanager
def without_the_lock_on_customers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Count what a customer has open without waiting for their other orders."""

    async def lock_nobody(_connection: Connection, _shop_id: UUID, _customers: list[UUID]) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(caps, "lock_customers", lock_nobody)
        yield


@contextmanager
def without_the_deadline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let holds past their deadline be freed, but also be committed."""
    with monkeypatch.context() as patch:
        patch.setattr(
            "lockstock.warehouses.reservations.rules.Kept.status_at",
            lambda kept, _now: kept.status,
        )
        yield


@contextmanager
def locking_as_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lock the rows one by one, in the order of the buyer's lines."""
    lock_in_order = reservations.lock_variants

    async def lock_one_by_one(
        connection: Connection,
        shop_id: UUID,
        variant_ids: Sequence[UUID],
        warehouse_ids: Sequence[UUID],
    ) -> list[Level]:
        return [
            level
            for variant_id in variant_ids
            for level in await lock_in_order(connection, shop_id, [variant_id], warehouse_ids)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(reservations, "lock_variants", lock_one_by_one)
        yield
