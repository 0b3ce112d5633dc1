"""The application: one route, one transaction."""

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import select  # noqa: TID251 (this is what most teams use)
from sqlalchemy.exc import IntegrityError  # noqa: TID251
from sqlalchemy.ext.asyncio import (  # noqa: TID251
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from uuid_utils.compat import uuid7

from bench.reference.models import Allocation, Event, Order, OrderLine, Stock, Variant
from bench.reference.nouns import AllocationOut, LineOut, Money, OrderIn, OrderOut

CURRENCY = "EUR"
HOLD = timedelta(days=1)
# That of Lockstock. On two cores none of 5, 10, 16 and 32 did better over both workloads.
POOL_SIZE = int(os.environ.get("REFERENCE_POOL_SIZE", "10"))

engine = create_async_engine(
    os.environ["REFERENCE_DATABASE_URL"], pool_size=POOL_SIZE, max_overflow=0, pool_timeout=60
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
key = OctKey.import_key(os.environ["REFERENCE_SIGNING_KEY"])
claims = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": "lockstock"},
    aud={"essential": True, "value": "lockstock-api"},
    exp={"essential": True},
    sub={"essential": True},
)
app = FastAPI(title="What most teams write")


async def session() -> AsyncIterator[AsyncSession]:
    """Give a session to a request."""
    async with sessions() as opened:
        yield opened


async def customer(
    given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> UUID:
    """Verify the login of the caller."""
    try:
        token = jwt.decode(given.credentials, key, algorithms=["HS256"])
        claims.validate(token.claims)
        return UUID(token.claims["sub"])
    except (JoseError, ValueError) as error:
        raise HTTPException(401, "The access token is not valid.") from error


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


@app.post("/v1/shops/{shop}/orders", status_code=201)
async def place_order(
    shop: UUID,
    ask: OrderIn,
    buyer: Annotated[UUID, Depends(customer)],
    idempotency_key: Annotated[str, Header(min_length=1, max_length=255)],
    db: Annotated[AsyncSession, Depends(session)],
    response: Response,
) -> OrderOut:
    """Place an order: its stock is held, or nothing is."""
    digest = hashlib.sha256(ask.model_dump_json().encode()).digest()
    try:
        async with db.begin():
            order = await _kept(db, buyer, idempotency_key)
            if order is None:
                order = await _place(db, shop, ask)
                order.customer_id, order.idempotency_key = buyer, idempotency_key
                order.digest = digest
                db.add(order)
                db.add(_event(order))
            else:
                response.headers["Idempotency-Replayed"] = "true"
    except IntegrityError as error:
        # The same key, at the same time: who was first has placed the order.
        async with db.begin():
            order = await _kept(db, buyer, idempotency_key)
        if order is None:
            raise HTTPException(503, "Try again.") from error
        response.headers["Idempotency-Replayed"] = "true"
    if order.digest != digest:
        raise HTTPException(422, "The key was used for another request.")
    return _answer(order)


async def _kept(db: AsyncSession, buyer: UUID, idempotency_key: str) -> Order | None:
    found = await db.scalars(
        select(Order).where(Order.customer_id == buyer, Order.idempotency_key == idempotency_key)
    )
    return found.one_or_none()


async def _place(db: AsyncSession, shop: UUID, ask: OrderIn) -> Order:
    wanted = {line.variant_id: line.quantity for line in ask.lines}
    found = await db.scalars(select(Variant).where(Variant.shop_id == shop, Variant.id.in_(wanted)))
    variants = {variant.id: variant for variant in found}
    if len(variants) < len(wanted):
        raise HTTPException(422, "There is no such variant.")
    now = datetime.now(UTC)
    return Order(
        id=uuid7(),
        shop_id=shop,
        status="awaiting_payment",
        currency=CURRENCY,
        total_minor=sum(variants[id_].price_minor * count for id_, count in wanted.items()),
        created_at=now,
        expires_at=now + HOLD,
        lines=[
            OrderLine(
                line=number,
                variant_id=variant_id,
                sku=variants[variant_id].sku,
                name=variants[variant_id].name,
                quantity=count,
                unit_price_minor=variants[variant_id].price_minor,
            )
            for number, (variant_id, count) in enumerate(wanted.items(), start=1)
        ],
        allocations=await _hold(db, wanted),
    )


async def _hold(db: AsyncSession, wanted: dict[UUID, int]) -> list[Allocation]:
    """Lock the stock in one order for everybody, and hold what is wanted, or refuse."""
    rows = await db.scalars(
        select(Stock)
        .where(Stock.variant_id.in_(wanted))
        .order_by(Stock.variant_id, Stock.warehouse_id)
        .with_for_update()
    )
    places: dict[UUID, list[Stock]] = {variant_id: [] for variant_id in wanted}
    for row in rows:
        places[row.variant_id].append(row)
    chosen = []
    for variant_id, count in wanted.items():
        free = [row for row in places[variant_id] if row.on_hand - row.held >= count]
        if not free:
            raise HTTPException(409, {"code": "out_of_stock", "variant_id": str(variant_id)})
        free[0].held += count
        chosen.append(
            Allocation(variant_id=variant_id, warehouse_id=free[0].warehouse_id, quantity=count)
        )
    return chosen


def _event(order: Order) -> Event:
    return Event(
        id=uuid7(),
        order_id=order.id,
        kind="order.placed",
        payload={"order_id": str(order.id), "total_minor": order.total_minor},
        occurred_at=order.created_at,
    )


def _answer(order: Order) -> OrderOut:
    def money(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency=order.currency)

    return OrderOut(
        id=order.id,
        shop_id=order.shop_id,
        customer_id=order.customer_id,
        status=order.status,
        total=money(order.total_minor),
        lines=[
            LineOut(
                variant_id=line.variant_id,
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price=money(line.unit_price_minor),
                total=money(line.unit_price_minor * line.quantity),
            )
            for line in order.lines
        ],
        allocations=[
            AllocationOut(
                warehouse_id=part.warehouse_id,
                variant_id=part.variant_id,
                quantity=part.quantity,
            )
            for part in order.allocations
        ],
        created_at=order.created_at,
        expires_at=order.expires_at,
    )
