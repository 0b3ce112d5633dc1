"""The list of products, the plain case: see `kernel/hot.py`, and `list_products` in `routes.py`."""

import re
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import to_json

from lockstock.kernel.batcher import Batcher
from lockstock.kernel.hot import HotAnswer, HotCall, HotRoute
from lockstock.kernel.paging import link_to
from lockstock.products.contract import Products
from lockstock.products.routes import PATH, ProductQuery, Sight, asked_of

# Nothing that is encoded, and so nothing that may be read in two ways.
_PLAIN = re.compile(r"(?:[a-z_]+=[A-Za-z0-9_-]+(?:&|$))*")


class Browsing:
    """Answers who browses without a login.

    All who ask for the same page while it is being read get the next reading of it: one for all of
    them, begun after each of them had asked.
    """

    def __init__(self, products: Products, sight: Sight) -> None:
        self._products = products
        self._sight = sight
        self.page = Batcher("list_products", self._page)

    async def _page(self, query: str, asks: Sequence[ProductQuery]) -> list[HotAnswer]:
        page = await self._products.list_products(asked_of(asks[0]))
        shown = page.model_copy(update={"items": await self._sight.shown(page.items)})
        headers = () if page.next is None else ((b"link", _link(query, page.next)),)
        answer = HotAnswer(200, to_json(shown), headers)
        return [answer for _ in asks]


def _link(query: str, cursor: str) -> bytes:
    return link_to(PATH, query, "cursor", cursor).encode()


async def browse(call: HotCall) -> HotAnswer | None:
    """Answer a page to somebody whose sight is everybody's."""
    query = call.scope["query_string"].decode("latin-1")
    if b"authorization" in call.headers or not _PLAIN.fullmatch(query):
        return None
    given = [part.partition("=") for part in query.split("&")] if query else []
    values = {name: value for name, _, value in given}
    if len(values) != len(given) or not values.keys() <= ProductQuery.model_fields.keys():
        return None
    try:
        ask = ProductQuery.model_validate(values)
    except ValidationError:
        return None
    if ask.unpublished:
        return None
    [answer] = await call.state.browsing.page(query, [ask])
    found: HotAnswer = answer
    return found


BROWSE = HotRoute("GET", PATH, browse)
