"""Which refusals an operation is shown with, and an example of each."""

from collections.abc import Iterator, Mapping
from typing import Any

from lockstock.kernel.errors import Refusal
from lockstock.kernel.openapi.words import LATER, ORDER, OUTLET, REQUEST, TEAPOT, TRANSFER

# What each status usually is. An operation may have others as well, or instead: below.
USUAL: Mapping[str, tuple[str, ...]] = {
    "400": ("malformed_body",),
    "401": ("unauthenticated",),
    "403": ("forbidden",),
    "404": ("not_found",),
    "412": ("precondition_failed",),
    "413": ("body_too_large",),
    "415": ("unsupported_media_type",),
    "422": ("invalid_input",),
    "429": ("too_many_requests",),
    "503": ("database_unavailable",),
}

Codes = Mapping[str, tuple[str, ...]]

_IDENTITY: Codes = {"409": ("identity_taken",)}
_CREDENTIALS: Codes = {"401": ("invalid_credentials",)}
_NO_SENDER: Codes = {"503": ("database_unavailable", "no_sender")}
# An empty one: routes share what they say of refusals, and this one has none of the kind.
_NOTHING_IN_ITS_WAY: Codes = {"409": ()}
_TAKES_AWAY: Codes = {"409": ("below_promised",)}

OF_OPERATION: Mapping[str, Codes] = {
    "register": _IDENTITY,
    "login": _CREDENTIALS,
    "verify_code": _CREDENTIALS,
    "reset_password": _CREDENTIALS,
    "refresh_tokens": {"401": ("invalid_refresh_token",)},
    "request_code": _NO_SENDER,
    "request_reset": _NO_SENDER,
    "add_identity": {**_IDENTITY, **_NO_SENDER},
    "verify_identity": {"409": ("identity_taken", "too_many_identities")},
    "remove_identity": {"409": ("last_identity",)},
    "put_member": {"409": ("last_owner",)},
    "remove_member": {"409": ("last_owner",)},
    "invite": {"409": ("too_many_invitations",), **_NO_SENDER},
    "make_webhook": {"409": ("too_many_webhooks",)},
    "resend_delivery": {"409": ("webhook_inactive",)},
    "send_ping": {"409": ("webhook_inactive",)},
    "make_key": {"409": ("too_many_keys",)},
    "create_product": {"409": ("sku_taken",)},
    "change_product": {"409": ("sku_taken",)},
    "adjust_stock": _TAKES_AWAY,
    "write_off_stock": _TAKES_AWAY,
    "damage_stock": _TAKES_AWAY,
    "count_stock": {"409": ("count_changed", "below_promised")},
    "create_transfer": {"409": ("not_enough_to_move",)},
    "change_transfer": {"409": ("step_not_allowed",)},
    "ready_transfer": {"409": ("not_enough_to_move", "step_not_allowed")},
    "dispatch_transfer": {"409": ("step_not_allowed",)},
    "receive_transfer": {"409": ("more_than_outstanding", "step_not_allowed")},
    "cancel_transfer": {"409": ("step_not_allowed",)},
    "close_transfer": {"409": ("still_outstanding", "more_than_outstanding", "step_not_allowed")},
    "place_order": {"409": ("out_of_stock", "too_many_open_reservations")},
    "cancel_order": {"409": ("order_not_cancellable",)},
    "complete_order": {"409": ("order_not_completable",)},
    "start_payment": {
        "409": ("order_not_payable", "reservation_expired", "provider_refused"),
        "503": ("database_unavailable", "provider_unavailable"),
    },
    "stream_stock": {"503": ("database_unavailable", "too_many_streams")},
    "review_payment": {"409": ("payment_not_flagged",)},
    "receive_provider_event": {"400": ("bad_signature", "malformed_body"), "415": ()},
    "receive_stock": _NOTHING_IN_ITS_WAY,
    "succeed_sandbox_payment": _NOTHING_IN_ITS_WAY,
    "fail_sandbox_payment": _NOTHING_IN_ITS_WAY,
    "time_out_sandbox": _NOTHING_IN_ITS_WAY,
    "pay_sandbox_page": _NOTHING_IN_ITS_WAY,
    "refund_order": {"409": ("refund_too_much",)},
    "ship_order": {"409": ("order_not_shippable", "not_left_to_ship")},
    "take_back": {"409": ("not_returnable",)},
}

_SHORT = {"variant_id": TEAPOT, "requested": 2}
# The sentence for people, where that of the refusal's class does not do, and further members.
MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "malformed_body": {
        "detail": "The body is not acceptable JSON: NaN is not a number in JSON.",
        "errors": [{"path": "lines.0.quantity", "message": "NaN is not a number in JSON"}],
    },
    "invalid_input": {
        "detail": "colour: is not a parameter of this call",
        "errors": [{"path": "colour", "message": "is not a parameter of this call"}],
    },
    "unauthenticated": {"detail": "Send an access token: Authorization: Bearer …"},
    "forbidden": {"detail": "As viewer you may not do this. It needs the permission stock."},
    "not_found": {"detail": "There is no such thing."},
    "too_many_requests": {"detail": "Too many tries.", "retry_after_seconds": 42},
    "database_unavailable": {"retry_after_seconds": 1},
    "provider_unavailable": {"retry_after_seconds": 1},
    "outcome_unknown": {"retry_after_seconds": 1},
    "precondition_failed": {"etag": '"5f0c1e9a4b7d3826"'},
    "identity_taken": {
        "detail": "There is an account with this e-mail address.",
        "field": "email",
        "errors": [{"path": "email", "message": "is taken"}],
    },
    "sku_taken": {"skus": ["POT-1"]},
    "out_of_stock": {"lines": [_SHORT | {"available": 1, "largest": 1}]},
    "too_many_open_reservations": {
        "detail": "This shop keeps stock for at most 1 unpaid order of one customer at a time.",
        "most": 1,
        "open": 1,
        "orders": [ORDER],
        "next_expires_at": LATER,
    },
    "below_promised": {
        "lines": [{"variant_id": TEAPOT, "warehouse_id": OUTLET, "on_hand": 2, "promised": 2}],
        "orders": [],
        "transfers": [TRANSFER],
    },
    "count_changed": {"lines": [{"variant_id": TEAPOT, "expected": 20, "on_hand": 18}]},
    "not_enough_to_move": {
        "lines": [_SHORT | {"free": 1, "on_hand": 3, "held": 2, "committed": 0}],
        "orders": [],
        "transfers": [TRANSFER],
    },
    "step_not_allowed": {"transfer_status": "draft", "allowed_from": ["ready"]},
    "more_than_outstanding": {"lines": [_SHORT | {"outstanding": 1}]},
    "still_outstanding": {"lines": [{"variant_id": TEAPOT, "requested": 1, "outstanding": 2}]},
    "order_not_payable": {"order_status": "cancelled"},
    "order_not_cancellable": {"order_status": "shipped"},
    "order_not_completable": {"order_status": "paid"},
    "order_not_shippable": {"order_status": "awaiting_payment"},
    "not_left_to_ship": {"lines": [_SHORT | {"left": 1}]},
    "not_returnable": {"lines": [_SHORT | {"returnable": 1}]},
    "refund_too_much": {"refundable_minor": 2500},
}


def refusals() -> dict[str, type[Refusal]]:
    """Return every refusal that a service declares, by its code."""
    found: dict[str, type[Refusal]] = {}
    todo = list(Refusal.__subclasses__())
    while todo:
        refusal = todo.pop(0)
        todo += refusal.__subclasses__()
        # A subclass that names the thing has the code of what it is a kind of.
        found.setdefault(refusal.code, refusal)
    return found


def problem_of(code: str, refusal: type[Refusal]) -> dict[str, Any]:
    """Return the answer that a refusal becomes."""
    sentence = (refusal.__doc__ or refusal.title).partition("\n")[0]
    return {
        "type": f"urn:lockstock:problem:{code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": code,
        "detail": sentence,
        "request_id": REQUEST,
    } | dict(MEMBERS.get(code, {}))


def codes_of(operation_id: str, status: str, *, takes_key: bool) -> Iterator[str]:
    """Yield the codes that an operation is shown with for a status."""
    own = OF_OPERATION.get(operation_id, {}).get(status)
    yield from USUAL.get(status, ()) if own is None else own
    if takes_key and status == "400":
        yield "idempotency_key_required"
    if takes_key and status == "422":
        yield "idempotency_key_reused"
