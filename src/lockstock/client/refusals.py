"""What the server says no with, as exceptions: one class for each code that a caller may act on."""

from collections.abc import Mapping
from typing import Any, ClassVar


class ApiError(Exception):
    """The server said no, or nothing that can be used.

    `status` is 0 where no answer came. `code` is the problem's stable code; `fields` has all the
    members of the problem, such as the `lines` of `out_of_stock`.
    """

    of_code: ClassVar[str] = ""
    by_code: ClassVar[dict[str, type["ApiError"]]] = {}

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = fields

    def __init_subclass__(cls) -> None:
        """Note which code the class stands for."""
        if cls.of_code:
            cls.by_code[cls.of_code] = cls

    @property
    def request_id(self) -> str | None:
        """The request's id, which is on the log lines of the server."""
        return self.fields.get("request_id")


class NoAnswer(ApiError):
    """No answer came, however often it was asked for. What became of a change is not known."""

    of_code = "no_answer"


class InvalidInput(ApiError):
    """A value is not acceptable. `fields["errors"]` says which, and why."""

    of_code = "invalid_input"


class IdempotencyKeyReused(ApiError):
    """The key was used before, for another request."""

    of_code = "idempotency_key_reused"


class Unauthenticated(ApiError):
    """No login, or one that is over."""

    of_code = "unauthenticated"


class InvalidCredentials(ApiError):
    """Wrong identity, password or code."""

    of_code = "invalid_credentials"


class InvalidRefreshToken(ApiError):
    """The session is over: log in."""

    of_code = "invalid_refresh_token"


class Forbidden(ApiError):
    """The role or the scope does not allow this."""

    of_code = "forbidden"


class NotFound(ApiError):
    """There is no such thing, or none that the caller may know of."""

    of_code = "not_found"


class TooManyRequests(ApiError):
    """A limit was reached. `fields["retry_after_seconds"]` says when to come back."""

    of_code = "too_many_requests"


class PreconditionFailed(ApiError):
    """Somebody has edited it since. `fields["etag"]` is the ETag of now."""

    of_code = "precondition_failed"


class OutOfStock(ApiError):
    """Not all lines can be filled. `fields["lines"]` has the numbers."""

    of_code = "out_of_stock"


class BelowPromised(ApiError):
    """Less would be left than is promised. `fields["orders"]` says to whom."""

    of_code = "below_promised"


class CountChanged(ApiError):
    """The stock is not what the clerk expected to find. `fields["lines"]` says what it is."""

    of_code = "count_changed"


class NotEnoughToMove(ApiError):
    """Fewer units are free where they are to leave from."""

    of_code = "not_enough_to_move"


class StepNotAllowed(ApiError):
    """The transfer cannot take this step from where it is: `fields["transfer_status"]`."""

    of_code = "step_not_allowed"


class ReservationExpired(ApiError):
    """The time to pay is over."""

    of_code = "reservation_expired"


class NotPayable(ApiError):
    """The order is paid already, or has ended: `fields["order_status"]`."""

    of_code = "order_not_payable"


class NotCancellable(ApiError):
    """It has begun to ship, or has ended: `fields["order_status"]`."""

    of_code = "order_not_cancellable"


class NotShippable(ApiError):
    """It is not paid, or has ended: `fields["order_status"]`."""

    of_code = "order_not_shippable"


class NotLeftToShip(ApiError):
    """More than is left to ship there. `fields["lines"]` says what is left."""

    of_code = "not_left_to_ship"


class NotReturnable(ApiError):
    """More than was shipped and not returned yet. `fields["lines"]` says what can come back."""

    of_code = "not_returnable"


class RefundTooMuch(ApiError):
    """More than can go back: `fields["refundable_minor"]`."""

    of_code = "refund_too_much"


class SkuTaken(ApiError):
    """The shop has these SKUs already: `fields["skus"]`."""

    of_code = "sku_taken"


class IdentityTaken(ApiError):
    """There is an account with this identity: `fields["field"]`."""

    of_code = "identity_taken"


class Unavailable(ApiError):
    """Not now. Nothing was done, or the same key finds out what was."""

    of_code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The server's database does not answer. Nothing was done."""

    of_code = "database_unavailable"


class OutcomeUnknown(Unavailable):
    """It may have happened or not. The same call with the same key finds out."""

    of_code = "outcome_unknown"


class ProviderUnavailable(Unavailable):
    """The payment provider does not answer. The same call with the same key finds out."""

    of_code = "provider_unavailable"


def error_of(status: int, code: str, detail: str, fields: Mapping[str, Any]) -> ApiError:
    """Make the error of a problem: of the class that its code has, if any."""
    return ApiError.by_code.get(code, ApiError)(status, code, detail, fields)
