"""All calls of one caller: a person who has logged in, or an API key."""

from lockstock.client.account import AccountCalls
from lockstock.client.calls import Place, Units
from lockstock.client.events import EventCalls
from lockstock.client.orders import OrderCalls, ReturnFields, ReturnLine
from lockstock.client.payments import PaymentCalls
from lockstock.client.products import ProductCalls
from lockstock.client.shops import ShopCalls
from lockstock.client.stock import StockCalls
from lockstock.client.transfers import TransferCalls
from lockstock.client.webhooks import WebhookCalls

__all__ = ["Place", "ReturnFields", "ReturnLine", "Session", "Units"]


class Session(
    AccountCalls,
    ShopCalls,
    ProductCalls,
    StockCalls,
    TransferCalls,
    OrderCalls,
    PaymentCalls,
    EventCalls,
    WebhookCalls,
):
    """One caller. An access token that has run out is refreshed, once for all that wait for it.

    Calls that take stock or money need a `key`, chosen by the caller: the same key again is the
    same act. What may be sent again is, where no answer came. Each call raises ApiError, of the
    class that its code has.
    """
