"""Wires: settings -> database -> services -> ASGI application. Nothing else knows them all."""

import asyncio
import contextlib
import importlib
import importlib.util
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from lockstock import __version__
from lockstock.kernel import telemetry
from lockstock.kernel.access import AccessTokens, Gate
from lockstock.kernel.database import Database, Limits
from lockstock.kernel.errors import Refusal
from lockstock.kernel.http import Edge, describe_errors, install_errors
from lockstock.kernel.migrate import History, migrate
from lockstock.kernel.operations import Readiness
from lockstock.kernel.operations import router as operations_router
from lockstock.kernel.paging import Cursors
from lockstock.kernel.postgres import EmbeddedPostgres, default_data_dir
from lockstock.orders.payments.provider import Provider
from lockstock.orders.payments.refunds.service import RefundsService
from lockstock.orders.payments.sandbox.adapter import Sandbox
from lockstock.orders.payments.sandbox.service import SandboxService
from lockstock.orders.payments.service import PaymentsService
from lockstock.orders.returns.service import ReturnsService
from lockstock.orders.routes import router as orders_router
from lockstock.orders.service import OrdersService
from lockstock.orders.shipments.service import ShipmentsService
from lockstock.products.routes import router as products_router
from lockstock.products.service import ProductsService
from lockstock.settings import Settings
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
from lockstock.warehouses.reservations.service import ReservationsService
from lockstock.warehouses.routes import router as warehouses_router
from lockstock.warehouses.service import WarehousesService
from lockstock.warehouses.shipping.service import ShippingService
from lockstock.warehouses.stock.service import StockService
from lockstock.warehouses.transfers.service import TransfersService

SERVICES = ("users", "shops", "products", "warehouses", "orders")
ROUTERS = (
    users_router,
    shops_router,
    keys_router,
    invitations_router,
    products_router,
    warehouses_router,
    orders_router,
)
# Holds, orders and events that one sweep takes at once: bigger bites disturb buyers.
SWEEP_BATCH = 500


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
    orders: OrdersService
    payments: PaymentsService
    sandbox: SandboxService
    refunds: RefundsService
    shipments: ShipmentsService
    returns: ReturnsService


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
    base_url = settings.base_url or f"http://{settings.host}:{settings.port}"
    sandbox = Sandbox(database, keys=found.signing_keys, base_url=base_url)
    providers = _providers(settings, sandbox)
    payments = PaymentsService(database, shops, reservations, providers, settings.reconcile_seconds)
    return Services(
        users=users,
        shops=shops,
        keys=KeysService(database),
        invitations=InvitationsService(
            database, users, base_url=base_url, lifetime_seconds=settings.invitation_seconds
        ),
        products=products,
        warehouses=warehouses,
        stock=stock,
        reservations=reservations,
        shipping=shipping,
        transfers=TransfersService(database, cursors),
        orders=OrdersService(database, shops, products, reservations, max_lines=settings.max_lines),
        payments=payments,
        sandbox=SandboxService(database, sandbox.signer, payments.receive),
        refunds=RefundsService(database, providers),
        shipments=ShipmentsService(database, shipping),
        returns=ReturnsService(database, shipping),
    )


def _providers(settings: Settings, sandbox: Sandbox) -> dict[str, Provider]:
    providers: dict[str, Provider] = {}
    if settings.sandbox_is_on:
        providers["sandbox"] = sandbox
    if settings.stripe_api_key is None:
        return providers
    if settings.stripe_webhook_secret is None:
        msg = "Set LOCKSTOCK_STRIPE_WEBHOOK_SECRET too: without it Stripe's events mean nothing."
        raise ValueError(msg)
    if importlib.util.find_spec("stripe") is None:
        msg = "LOCKSTOCK_STRIPE_API_KEY needs Stripe's SDK: pip install 'lockstock[stripe]'."
        raise ValueError(msg)
    # Here and not above: without the extra, the module cannot be imported.
    adapter = importlib.import_module("lockstock.orders.payments.stripe")
    account = adapter.StripeAccount(
        settings.stripe_api_key, settings.stripe_webhook_secret, settings.stripe_api_base
    )
    providers["stripe"] = adapter.Stripe(account)
    return providers


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


def application(made: Services, settings: Settings, found: Place) -> FastAPI:
    """Make the ASGI application of these services. Its lifespan runs the sweeps."""
    app = FastAPIOffline(
        title="Lockstock",
        version=__version__,
        description="Orders and stock that never oversell.",
        lifespan=_lifespan,
        # A redirect would lead to whatever the header Host says, and without TLS behind a proxy.
        redirect_slashes=False,
    )
    for noun in fields(made):
        setattr(app.state, noun.name, getattr(made, noun.name))
    app.state.settings = settings
    app.state.cursors = Cursors(found.signing_keys[0])
    app.state.known_variants = made.products.existing
    tokens = AccessTokens(found.signing_keys, settings.access_token_seconds)
    app.state.gate = Gate(tokens, made.shops.role_of, made.keys.verify)
    databases = {id(d): d for d in (made.users.database, made.warehouses.database)}
    app.state.readiness = Readiness(list(databases.values()), found.histories)
    for router in (*ROUTERS, operations_router):
        app.include_router(router)
    install_errors(app)
    describe_errors(app)
    app.add_middleware(Edge, max_body_bytes=settings.max_body_bytes)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    if unreached := app.state.users.unreached:
        telemetry.log().warning(
            "no_sender",
            unreached=unreached,
            detail="Codes cannot be sent there: set LOCKSTOCK_SMTP_URL or LOCKSTOCK_APPRISE_URLS.",
        )
    sweeping = asyncio.create_task(_sweep_forever(app, settings.sweep_seconds))
    try:
        yield
    finally:
        app.state.readiness.draining = True
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


async def _sweep_forever(app: FastAPI, pause_seconds: float) -> None:
    """Tidy up what is past its deadline and finish what a crash left half done.

    Any number of processes may do this at once. Nobody waits for it: readers and buyers count an
    expired hold as free at its deadline.
    """
    state = app.state
    sweepers = [
        sweeper.sweep
        for sweeper in (
            state.reservations,
            state.orders,
            state.sandbox,
            state.payments,
            state.refunds,
            state.shipments,
            state.returns,
            state.users,
        )
    ]
    while pause_seconds:
        await asyncio.sleep(pause_seconds)
        if await state.readiness.problems():
            # No database, or schemas that are not there yet: /readyz says so, once is enough.
            continue
        for sweep in sweepers:
            try:
                await sweep(SWEEP_BATCH)
            except Refusal as refusal:
                telemetry.log().warning("sweep_put_off", reason=refusal.detail)
            except Exception:
                # The next round tries again; a bug in one sweep must not end the others.
                telemetry.log().exception("sweep_failed")
