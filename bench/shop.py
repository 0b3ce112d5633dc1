"""The shop that all measurements are made in: numbers instead of names, so that SQL can fill it."""

from dataclasses import dataclass
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OctKey

from bench.servers import SIGNING_KEY

# Kinds of ids. The middle of an id says which of them it is, its beginning the number.
PRODUCT, VARIANT, ORDER, PAYMENT, BUYER, WAREHOUSE = range(1, 7)
# UUIDv7 of numbered milliseconds: neighbours in number are neighbours in an index, as in life.
FIRST_MOMENT = 0x0190_0000_0000
BUYERS = 20_000


def id_of(kind: int, number: int) -> UUID:
    """The id of the n-th thing of a kind. `bench_id` in seed.py is the same."""
    return UUID(f"{FIRST_MOMENT + number:012x}7{kind:03x}8000000000000000")


def price_of(number: int) -> int:
    """The price of the n-th variant, in minor units. `bench_price` in seed.py is the same."""
    return 100 + number % 900


@dataclass(frozen=True)
class Shop:
    """A shop and what is in it. Variants 0 to `variants` - 1 are stocked in every warehouse."""

    id: UUID
    currency: str
    warehouses: list[UUID]
    variants: int
    # Numbers after the ordinary ones: the hot variant, then those of which there is little.
    scarce_count: int = 100

    @property
    def hot(self) -> UUID:
        """The variant of the flash sale: in one warehouse, plenty."""
        return id_of(VARIANT, self.variants)

    @property
    def scarce(self) -> list[UUID]:
        """Variants of which there is little."""
        return [id_of(VARIANT, self.variants + 1 + n) for n in range(self.scarce_count)]

    def order_of(self, number: int) -> UUID:
        """The id of the n-th order that was written by SQL."""
        return id_of(ORDER, number)


def tokens(count: int = BUYERS) -> list[str]:
    """Return lines of a buyer's id and their access token, as a login gives it.

    Signed here with the servers' key: how fast people log in is not what is measured.
    """
    key = OctKey.import_key(SIGNING_KEY)
    return [f"{id_of(BUYER, n)} {_token(key, n)}" for n in range(count)]


def _token(key: OctKey, number: int) -> str:
    # A login of the day the benchmark runs: `iat` is not looked at by anybody.
    claims = {
        "iss": "lockstock",
        "aud": "lockstock-api",
        "sub": str(id_of(BUYER, number)),
        "sid": str(id_of(BUYER, number)),
        "adm": False,
        "iat": FIRST_MOMENT // 1000,
        "exp": 2**33,
    }
    return jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])
