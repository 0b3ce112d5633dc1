"""The demo shop's own range, warehouses and customers, read from catalogue.json."""

from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field

from lockstock.kernel.money import Currency
from lockstock.kernel.nouns import Ask, Count, Name, Text
from lockstock.orders.contract import ShipTo
from lockstock.products.contract import NewProduct, NewVariant
from lockstock.users.contract import Typed
from lockstock.warehouses.contract import Location, NewWarehouse, Strategy

# plenty: restocked every week; short: never again; gone: sold off; flash: ten thousand at once.
Supply = Literal["plenty", "short", "gone", "flash"]


class ShopSheet(Ask):
    """The shop itself."""

    name: Name
    currency: Currency
    allocation: Strategy


class Site(Ask):
    """A warehouse. `share`: percent of the shop's units that are kept there."""

    name: Name
    priority: Count
    location: Location
    share: Count

    def asked(self) -> NewWarehouse:
        """Ask for it to be opened."""
        return NewWarehouse(name=self.name, priority=self.priority, location=self.location)


class Offer(Ask):
    """A product. `demand`: how often it is bought, compared with the others."""

    name: Name
    description: Text
    demand: Annotated[int, Field(ge=1)]
    supply: Supply
    variants: Annotated[list[NewVariant], Field(min_length=1)]

    def asked(self) -> NewProduct:
        """Ask for it to be created."""
        return NewProduct(name=self.name, description=self.description, variants=self.variants)


class Customer(Ask):
    """Somebody who buys here, with an e-mail address or a phone number."""

    name: Name
    email: Typed | None = None
    phone: Typed | None = None
    ship_to: ShipTo

    @property
    def identifier(self) -> str:
        """What they log in with."""
        return self.email or self.phone or ""


class Catalogue(Ask):
    """All that is written in catalogue.json."""

    shop: ShopSheet
    warehouses: list[Site]
    products: list[Offer]
    customers: list[Customer]


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Read the catalogue."""
    text = (resources.files("lockstock.demo") / "catalogue.json").read_text("utf-8")
    return Catalogue.model_validate_json(text)
