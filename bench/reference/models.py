"""The tables, declared as the ORM's own tutorial does."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (  # noqa: TID251 (this is what most teams use)
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    LargeBinary,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB  # noqa: TID251
from sqlalchemy.orm import (  # noqa: TID251
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
)


class Base(DeclarativeBase):
    """The tables of the reference."""

    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True)}  # noqa: RUF012


class Variant(Base):
    """What can be bought."""

    __tablename__ = "variants"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[UUID]
    sku: Mapped[str]
    name: Mapped[str]
    price_minor: Mapped[int]


class Stock(Base):
    """Units of a variant in a warehouse."""

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("held >= 0 AND held <= on_hand", name="never_oversold"),)
    variant_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    held: Mapped[int]


class Order(Base):
    """An order that awaits its payment."""

    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("customer_id", "idempotency_key"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    idempotency_key: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str]
    currency: Mapped[str]
    total_minor: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    lines: Mapped[list["OrderLine"]] = relationship(lazy="selectin", order_by="OrderLine.line")
    allocations: Mapped[list["Allocation"]] = relationship(lazy="selectin")


class OrderLine(Base):
    """What was bought, at the price of that moment."""

    __tablename__ = "order_lines"
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    variant_id: Mapped[UUID]
    sku: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    unit_price_minor: Mapped[int]


class Allocation(Base):
    """From where it comes."""

    __tablename__ = "allocations"
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    variant_id: Mapped[UUID] = mapped_column(primary_key=True)
    warehouse_id: Mapped[UUID] = mapped_column(primary_key=True)
    quantity: Mapped[int]


class Event(Base):
    """What others are told: written with the order, sent later."""

    __tablename__ = "events"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID]
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime]
