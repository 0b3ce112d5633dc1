"""Wires: settings -> database -> services -> ASGI application. Nothing else knows them all."""

import contextlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from lockstock import __version__, background
from lockstock.events.in_stock.service import InStockWatcher
from lockstock.events.log.relay import Relay
from lockstock.events.log.service import EventLogService
from lockstock.events.low_stock.service import LowStockWatcher
from lockstock.events.routes import router as events_router
from lockstock.events.stream.service import StockSources, StreamLimits, StreamsService
from lockstock.events.webhooks.addresses import Addresses
from lockstock.events.webhooks.deliveries.service import DeliveriesService
from lockstock.events.webhooks.sender import Sender
from lockstock.events.webhooks.sending.service import SendingOptions, SendingService
from lockstock.events.webhooks.service import WebhooksService
from lockstock.kernel import telemetry
from lockstock.kernel.access import AccessTokens, Gate
from lockstock.kernel.database import Database, Limits
from lockstock.kernel.hot import HotRoutes
from lockstock.kernel.http import Edge, install_errors
from lockstock.kernel.migrate import History, migrate
from lockstock.kernel.openapi.about import ABOUT
from lockstock.kernel.openapi.describing import describe
from lockstock.kernel.operations import Readiness
from lockstock.kernel.operations import router as operations_router
from lockstock.kernel.paging import Cursors
from lockstock.kernel.postgres import EmbeddedPostgres, default_data_dir
from lockstock.orders.checkout import PLACE
from lockstock.orders.events import EVENT_KINDS as ORDER_EVENTS
from lockstock.orders.history.service import HistoryService
from lockstock.orders.payments import chosen
from lockstock.orders.payments.chosen import StripeKeys
from lockstock.orders.payments.provider import Provider
from lockstock.orders.payments.refunds.service import RefundsService
from lockstock.orders.payments.sandbox.adapter import Sandbox
from lockstock.orders.payments.sandbox.service import SandboxService
from lockstock.orders.payments.service import PaymentsService
from lockstock.orders.returns.service import ReturnsService
from lockstock.orders.routes import router as orders_router
from lockstock.orders.service import OrdersService
from lockstock.orders.shipments.service import ShipmentsService
from lockstock.products.browsing import BROWSE, Browsing
from lockstock.products.events import EVENT_KINDS as PRODUCT_EVENTS
from lockstock.products.in_stock.service import InStockService
from lockstock.products.routes import Sight
from lockstock.products.routes import router as products_router
from lockstock.products.service import ProductsService
from lockstock.settings import Settings
from lockstock.shops.events import EVENT_KINDS as SHOP_EVENTS
from lockstock.shops.invitations.routes import router as invitations_router
from lockstock.shops.invitations.service import InvitationsService
from lockstock.shops.keys.routes import router as keys_router
from lockstock.shops.keys.service import KeysService
from lockstock.shops.routes import router as shops_router
from lockstock.shops.service import ShopsService
from lockstock.users.routes import router as users_router
from lockstock.users.rules import UserLimits
from lockstock.users.senders.chosen import ChosenSender, choose
from lockstock.users.service import UsersService
from lockstock.warehouses.contract import AllocationPolicy
from lockstock.warehouses.events import EVENT_KINDS as WAREHOUSE_EVENTS
from lockstock.warehouses.explain.service import ExplanationsService
from lockstock.warehouses.low_stock.service import LowStockService
from lockstock.warehouses.reservations.service import ReservationsService
from lockstock.warehouses.routes import router as warehouses_router
from lockstock.warehouses.service import WarehousesService
from lockstock.warehouses.shipping.service import ShippingService
from lockstock.warehouses.stock.service import StockService
from lockstock.warehouses.transfers.service import TransfersService

SERVICES = ("users", "shops", "products", "warehouses", "orders", "events")
ROUTERS = (
    users_router,
    shops_router,
    keys_router,
    invitations_router,
    products_router,
    warehouses_router,
    orders_router,
    events_router,
)
HOT_ROUTES = (PLACE, BROWSE)
EVENT_KINDS = (*SHOP_EVENTS, *PRODUCT_EVENTS, *WAREHOUSE_EVENTS, *ORDER_EVENTS)


@dataclass(frozen=True)
class Place:
    """Where the databases are, and the keys that go with them."""

    database_url: str
    users_database_url: str
    signing_keys: list[str]

    @property
    def histories(self) -> list[History]:
        """The migrations of each service, in the database it uses."""
        return [
            History(name, self.users_database_url if name == "users" else self.database_url)
            for name in SERVICES
        ]


@dataclass(frozen=True)
class Services:
    """The services of this process, each under the name that its routes ask for."""

    users: UsersService
    shops: ShopsService
    keys: KeysService
    invitations: InvitationsService
    products: ProductsService
    warehouses: WarehousesService
    stock: StockService
    reservations: ReservationsService
    shipping: ShippingService
    transfers: TransfersService
    explanations: ExplanationsService
    orders: OrdersService
    payments: PaymentsService
    sandbox: SandboxService
    refunds: RefundsService
    shipments: ShipmentsService
    returns: ReturnsService
    history: HistoryService
    event_log: EventLogService
    relay: Relay
    webhooks: WebhooksService
    deliveries: DeliveriesService
    sending: SendingService
    low_stock: LowStockService
    stock_watch: LowStockWatcher
    in_stock_watch: InStockWatcher
    streams: StreamsService


@asynccontextmanager
async def place(settings: Settings, progress: Callable[[str], None]) -> AsyncIterator[Place]:
    """Find the databases: one's own, or the embedded PostgreSQL, started if it does not run."""
    keys = [key.get_secret_value() for key in settings.signing_keys]
    if settings.database_url is not None:
        if not keys:
            msg = "Set LOCKSTOCK_SIGNING_KEYS (32 characters or more) with a database of your own."
            raise ValueError(msg)
        url = settings.database_url.get_secret_value()
        users_url = settings.users_database_url
        yield Place(url, users_url.get_secret_value() if users_url else url, keys)
        return
    if settings.users_database_url is not None:
        msg = (
            "LOCKSTOCK_USERS_DATABASE_URL goes with LOCKSTOCK_DATABASE_URL: the embedded database "
            "has the users in it. Set both, or neither."
        )
        raise ValueError(msg)
    data_dir = settings.data_dir or default_data_dir()
    postgres = await EmbeddedPostgres.open(data_dir, progress=progress)
    try:
        found = Place(postgres.url, postgres.url, keys or [_own_key(data_dir)])
        await migrate(found.histories)
        yield found
    finally:
        await postgres.close()


def _own_key(data_dir: Path) -> str:
    """Return the signing key kept in the data directory; make it on the first start."""
    path = data_dir / "signing.key"
    if not path.exists():
        # Whole or not at all, and of two first starts at once one makes it: both read that one.
        with tempfile.NamedTemporaryFile("w", dir=data_dir, prefix="signing-") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text()


@asynccontextmanager
async def services(settings: Settings, found: Place) -> AsyncIterator[Services]:
    """Connect to the databases and make the services."""
    limits = Limits(
        pool_size=settings.pool_size,
        lock_timeout_seconds=settings.lock_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
    )
    async with AsyncExitStack() as stack:
        database = await Database.open(found.database_url, limits)
        stack.push_async_callback(database.close)
        users_database = database
        if found.users_database_url != found.database_url:
            users_database = await Database.open(found.users_database_url, limits)
            stack.push_async_callback(users_database.close)
        made = _make_services(settings, found, database, users_database)
        stack.push_async_callback(made.users.close)
        stack.push_async_callback(made.payments.close)
        stack.push_async_callback(made.sending.close)
        stack.push_async_callback(made.streams.stop)
        yield made


def _make_services(
    settings: Settings, found: Place, database: Database, users_database: Database
) -> Services:
    cursors = Cursors(found.signing_keys[0])
    tokens = AccessTokens(found.signing_keys, settings.access_token_seconds)
    users = UsersService(users_database, tokens, _sender(settings), _user_limits(settings, found))
    warehouses = WarehousesService(database)
    stock = StockService(database, cursors)
    reservations = ReservationsService(database)
    shipping = ShippingService(database)
    shops = ShopsService(database, warehouses, settings.reservation_seconds, users.exists)
    products = ProductsService(database, stock, cursors)
    sandbox = Sandbox(database, keys=found.signing_keys, base_url=settings.own_url)
    providers = _providers(settings, sandbox)
    payments = PaymentsService(database, shops, reservations, providers, settings.reconcile_seconds)
    event_log = EventLogService(database)
    low_stock = LowStockService(database, cursors)
    streams = _streams(settings, event_log, StockSources(low_stock, stock, products, shops))
    addresses = Addresses(allow_private=settings.webhooks_allow_private)
    return Services(
        users=users,
        shops=shops,
        keys=KeysService(database),
        invitations=InvitationsService(
            database, users, base_url=settings.own_url, lifetime_seconds=settings.invitation_seconds
        ),
        products=products,
        warehouses=warehouses,
        stock=stock,
        reservations=reservations,
        shipping=shipping,
        transfers=TransfersService(database, cursors),
        explanations=ExplanationsService(database),
        orders=OrdersService(database, shops, products, reservations, **_caps(settings)),
        payments=payments,
        sandbox=SandboxService(database, sandbox.signer, payments.receive),
        refunds=RefundsService(database, providers),
        shipments=ShipmentsService(database, shipping, reservations),
        returns=ReturnsService(database, shipping),
        history=HistoryService(database),
        event_log=event_log,
        relay=Relay(database, event_log),
        webhooks=WebhooksService(database, addresses, EVENT_KINDS, shops.get),
        deliveries=DeliveriesService(database, cursors, settings.webhooks_keep_seconds),
        sending=_sending(settings, database, addresses),
        low_stock=low_stock,
        stock_watch=LowStockWatcher(database, streams, low_stock, shops),
        in_stock_watch=InStockWatcher(database, InStockService(database, stock)),
        streams=streams,
    )


def _caps(settings: Settings) -> dict[str, int]:
    caps = {
        "max_lines": settings.max_lines,
        "max_open_reservations": settings.max_open_reservations,
    }
    return {name: most for name, most in caps.items() if most is not None}


def _streams(
    settings: Settings, event_log: EventLogService, sources: StockSources
) -> StreamsService:
    limits = StreamLimits(settings.streams, settings.streams_per_address)
    return StreamsService(event_log.database, event_log, sources, limits)


def _sending(settings: Settings, database: Database, addresses: Addresses) -> SendingService:
    options = SendingOptions(
        retry_seconds=tuple(settings.webhooks_retry_seconds),
        failing_seconds=settings.webhooks_failing_seconds,
        most_under_way=settings.webhooks_under_way,
    )
    return SendingService(database, Sender(addresses, settings.webhooks_timeout_seconds), options)


def _providers(settings: Settings, sandbox: Sandbox) -> dict[str, Provider]:
    keys = StripeKeys(
        settings.stripe_api_key, settings.stripe_webhook_secret, settings.stripe_api_base
    )
    return chosen.choose(sandbox if settings.sandbox_is_on else None, keys)


def _sender(settings: Settings) -> ChosenSender:
    url = settings.smtp_url
    return choose(
        url.get_secret_value() if url else None,
        settings.smtp_from,
        [url.get_secret_value() for url in settings.apprise_urls],
        # With the embedded database who reads the log is who runs it. Elsewhere it is many people.
        console=settings.is_embedded,
    )


def _user_limits(settings: Settings, found: Place) -> UserLimits:
    return UserLimits(
        secret=found.signing_keys[0],
        refresh_token_seconds=settings.refresh_token_seconds,
        code_seconds=settings.code_seconds,
        code_tries=settings.code_tries,
        failures_per_identity=settings.failures_per_identity,
        codes_per_identity=settings.codes_per_identity,
        failures_per_address=settings.failures_per_address,
        password_workers=settings.password_workers,
        default_region=settings.default_region,
    )


def _operation_id(route: APIRoute) -> str:
    # Client generators make the names of their methods of it.
    return route.name


def application(made: Services, settings: Settings, found: Place) -> FastAPI:
    """Make the ASGI application of these services. Its lifespan runs the sweeps."""
    app = FastAPIOffline(
        title="Lockstock",
        version=__version__,
        summary="Orders and stock that never oversell.",
        description=ABOUT,
        generate_unique_id_function=_operation_id,
        swagger_ui_parameters={"persistAuthorization": True, "displayOperationId": True},
        lifespan=_lifespan,
        # A redirect would lead to whatever the header Host says, and without TLS behind a proxy.
        redirect_slashes=False,
    )
    for noun in fields(made):
        setattr(app.state, noun.name, getattr(made, noun.name))
    app.state.settings = settings
    app.state.cursors = Cursors(found.signing_keys[0])
    app.state.known_variants = made.products.existing
    app.state.allocation_policy = partial(_allocation_policy, made.shops)
    app.state.event_kinds = EVENT_KINDS
    tokens = AccessTokens(found.signing_keys, settings.access_token_seconds)
    app.state.gate = Gate(tokens, made.shops.role_of, made.keys.verify)
    app.state.browsing = Browsing(made.products, Sight(made.shops, app.state.gate, None))
    databases = {id(d): d for d in (made.users.database, made.warehouses.database)}
    app.state.readiness = Readiness(list(databases.values()), found.histories)
    for router in (*ROUTERS, operations_router):
        app.include_router(router)
    install_errors(app)
    describe(app)
    app.add_middleware(HotRoutes, routes=HOT_ROUTES)
    app.add_middleware(Edge, max_body_bytes=settings.max_body_bytes)
    return app


async def _allocation_policy(shops: ShopsService, shop_id: UUID) -> AllocationPolicy:
    shop = await shops.get(shop_id)
    return AllocationPolicy(strategy=shop.allocation, may_split=shop.may_split)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    if unreached := app.state.users.unreached:
        telemetry.log().warning(
            "no_sender",
            unreached=unreached,
            detail="Codes cannot be sent there: set LOCKSTOCK_SMTP_URL or LOCKSTOCK_APPRISE_URLS.",
        )
    async with background.working(_works(app), app.state.readiness):
        yield


def _works(app: FastAPI) -> list[background.Work]:
    state, settings = app.state, app.state.settings
    swept = (
        state.reservations,
        state.orders,
        state.sandbox,
        state.payments,
        state.refunds,
        state.shipments,
        state.returns,
        state.users,
        state.deliveries,
    )
    return [
        background.Sweeps([service.sweep for service in swept], settings.sweep_seconds),
        background.Rounds("relay", state.relay.run_once, settings.relay_seconds),
        background.Rounds("low_stock", state.stock_watch.run_once, settings.low_stock_seconds),
        background.Rounds("in_stock", state.in_stock_watch.run_once, settings.in_stock_seconds),
        background.Rounds("webhooks", state.sending.begin, settings.webhooks_seconds),
    ]
