"""The demo shop: opened by the services' own verbs, with a past that is written underneath.

Every step finds what an earlier start has done, so a first start that was killed is finished by the
next one. The past is one transaction.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from lockstock.app import Services
from lockstock.demo import store
from lockstock.demo.catalogue import Catalogue, catalogue
from lockstock.demo.greeting import PASSWORD, SHOPPER, STAFF, DemoShop
from lockstock.demo.past import Past
from lockstock.demo.rules import simulate
from lockstock.demo.scene import Buyer, Depot, Good, Setting
from lockstock.kernel.database import Connection
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import derived_id
from lockstock.orders.contract import NewOrder, PlaceAsk
from lockstock.products.contract import Product
from lockstock.shops.contract import NewRole, NewShop
from lockstock.users.contract import IdentityTaken, NewUser
from lockstock.warehouses.contract import Line, Warehouse

SHOP_ID = derived_id("demo", "shop")
SEED = 20
ORDERS_PER_DAY = 8
RESERVATION_SECONDS = 900
# The big lot: there is some left to buy for a long time.
FLASH_SKU = "NW-FLASH"
# Left unpaid when the demo is loaded: by which customer of the catalogue, which SKUs and units.
OPEN_ORDERS = (
    (3, (("NW-BOTI-05-CHR", 1), ("NW-SOCK-42", 2))),
    (8, (("NW-DAY18-OCH", 1),)),
    (14, (("NW-SMUG-TER", 2), ("NW-BOWL-TER", 2), ("NW-FLASH", 1))),
)
OPEN_ORDER_IDS = [derived_id("demo", "open order", number) for number in range(len(OPEN_ORDERS))]

Say = Callable[[str], None]


async def load(made: Services, say: Say) -> DemoShop:
    """Load the demo shop where it is not there yet; `say` is told what takes a moment.

    Raises what the verbs raise. A shop that is there is left as it is.
    """
    book, database = catalogue(), made.warehouses.database
    found = await database.read(lambda c: store.progress(c, SHOP_ID, OPEN_ORDER_IDS))
    if not found.stock:
        say("Opening the demo shop ...")
        people = await _register(made, book)
        setting = await _open(made, book, people)
        say("Writing eight weeks of orders ...")
        rows = simulate(setting, SEED)
        await database.transaction(partial(_write_past, rows=rows))
    if not found.open_orders:
        await _leave_open(made, book, say)
    flash = await made.products.variants_by_sku(SHOP_ID, [FLASH_SKU])
    return DemoShop(SHOP_ID, book.shop.name, flash[0].variant_id if flash else None)


async def _register(made: Services, book: Catalogue) -> dict[str, UUID]:
    """Let everybody have an account; return whose identifier is whose."""
    asks = {
        member.email: NewUser(email=member.email, password=PASSWORD, name=member.name)
        for member in STAFF
    }
    for customer in book.customers:
        # All but one log in with a code: nobody knows these passwords.
        known = customer.identifier == SHOPPER
        asks[customer.identifier] = NewUser(
            email=customer.email,
            phone=customer.phone,
            password=PASSWORD if known else secrets.token_urlsafe(),
            name=customer.name,
        )
    ids = await asyncio.gather(*(_account(made, who, ask) for who, ask in asks.items()))
    return dict(zip(asks, ids, strict=True))


async def _account(made: Services, identifier: str, ask: NewUser) -> UUID:
    user = await made.users.find(identifier)
    if user is None:
        try:
            user = await made.users.register(ask, "127.0.0.1")
        except IdentityTaken:
            # Another first start was faster.
            user = await made.users.find(identifier)
            if user is None:
                raise
    return user.id


async def _open(made: Services, book: Catalogue, people: dict[str, UUID]) -> Setting:
    """Open the shop, its warehouses and its range; return the scene of its past."""
    owner, *others = STAFF
    first, *more = book.warehouses
    await made.shops.create(
        people[owner.email],
        NewShop(
            name=book.shop.name,
            currency=book.shop.currency,
            reservation_seconds=RESERVATION_SECONDS,
            allocation=book.shop.allocation,
            warehouse=first.asked(),
        ),
        SHOP_ID,
    )
    for member in others:
        await made.shops.put_member(SHOP_ID, people[member.email], NewRole(role=member.role))
    await made.warehouses.open(
        SHOP_ID,
        [site.asked() for site in more],
        [derived_id("demo", "warehouse", SHOP_ID, site.name) for site in more],
    )
    products = await _create_products(made, book)
    database = made.warehouses.database
    return Setting(
        shop_id=SHOP_ID,
        currency=book.shop.currency,
        reservation_seconds=RESERVATION_SECONDS,
        depots=_depots(book, await made.warehouses.list_warehouses(SHOP_ID)),
        goods=_goods(book, products),
        buyers=[Buyer(people[item.identifier], item.ship_to) for item in book.customers],
        manager_id=next(people[item.email] for item in STAFF if item.role == "manager"),
        clerk_id=next(people[item.email] for item in STAFF if item.role == "clerk"),
        orders_per_day=ORDERS_PER_DAY,
        now=await database.read(store.clock),
    )


async def _create_products(made: Services, book: Catalogue) -> list[Product]:
    answers = await made.products.create(
        SHOP_ID,
        book.shop.currency,
        [offer.asked() for offer in book.products],
        [derived_id("demo", "product", SHOP_ID, offer.name) for offer in book.products],
    )
    products = []
    for answer in answers:
        if isinstance(answer, Refusal):
            raise answer
        products.append(answer)
    return products


def _depots(book: Catalogue, warehouses: Sequence[Warehouse]) -> list[Depot]:
    ids = {warehouse.name: warehouse.id for warehouse in warehouses}
    return [Depot(ids[site.name], site.location, site.share) for site in book.warehouses]


def _goods(book: Catalogue, products: Sequence[Product]) -> list[Good]:
    return [
        Good(
            variant_id=variant.id,
            product_id=product.id,
            sku=variant.sku,
            name=product.name,
            price_minor=variant.price.amount_minor,
            demand=offer.demand,
            supply=offer.supply,
        )
        for offer, product in zip(book.products, products, strict=True)
        for variant in product.variants
    ]


async def _write_past(connection: Connection, rows: Past) -> None:
    await store.lock_warehouses(connection, SHOP_ID)
    # Another first start may have written it meanwhile.
    if not (await store.progress(connection, SHOP_ID, OPEN_ORDER_IDS)).stock:
        await store.write(connection, SHOP_ID, rows)


async def _leave_open(made: Services, book: Catalogue, say: Say) -> None:
    """Place some orders that wait for their money, as their customers would."""
    skus = {sku for _, basket in OPEN_ORDERS for sku, _ in basket}
    quotes = await made.products.variants_by_sku(SHOP_ID, sorted(skus))
    variants = {quote.sku: quote.variant_id for quote in quotes}
    asks = []
    for order_id, (number, basket) in zip(OPEN_ORDER_IDS, OPEN_ORDERS, strict=True):
        customer = book.customers[number]
        user = await made.users.find(customer.identifier)
        if user is None:
            continue
        lines = [
            Line(variant_id=variants[sku], quantity=units)
            for sku, units in basket
            if sku in variants
        ]
        ask = NewOrder(lines=lines, ship_to=customer.ship_to)
        asks.append(PlaceAsk(order_id=order_id, customer_id=user.id, ask=ask))
    for answer in await made.orders.place(SHOP_ID, asks):
        if isinstance(answer, Refusal):
            say(f"An order of the demo could not be placed: {answer.detail}")
