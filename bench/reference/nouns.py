"""What goes in and out, in the words of Lockstock's API."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class LineIn(BaseModel):
    """So many units of a variant."""

    model_config = ConfigDict(extra="forbid")
    variant_id: UUID
    quantity: int = Field(gt=0)


class OrderIn(BaseModel):
    """A basket."""

    model_config = ConfigDict(extra="forbid")
    lines: list[LineIn] = Field(min_length=1, max_length=100)


class Money(BaseModel):
    """An amount in minor units."""

    amount_minor: int
    currency: str


class LineOut(BaseModel):
    """What was bought."""

    variant_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    total: Money


class AllocationOut(BaseModel):
    """From where it comes."""

    warehouse_id: UUID
    variant_id: UUID
    quantity: int


class OrderOut(BaseModel):
    """An order, as it is answered."""

    id: UUID
    shop_id: UUID
    customer_id: UUID
    status: str
    total: Money
    lines: list[LineOut]
    allocations: list[AllocationOut]
    created_at: datetime
    expires_at: datetime
