"""The sandbox's own pay page: made on the server, plain forms, no script."""

from collections.abc import Mapping
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from lockstock.kernel.errors import InvalidInput, MalformedBody, UnsupportedMediaType
from lockstock.kernel.money import text_of
from lockstock.orders.payments.contract import EventKind, Payment
from lockstock.orders.payments.sandbox.contract import SandboxAsk, SandboxPayment, TimeOut

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 20
HEADERS = {
    # Whoever has the page's address may pay, so it is told to nobody; and nobody frames it.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
STYLE = resources.files("lockstock.orders.payments.sandbox").joinpath("page.css").read_text("utf-8")

_ACTIONS: Mapping[str, EventKind] = {"pay": "captured", "fail": "failed"}
_NUMBERS = {"amount_minor", "delay_seconds", "deliveries"}
_TICKS = {"reorder", "lose"}
_pages = Environment(
    loader=PackageLoader("lockstock.orders.payments.sandbox", ""),
    autoescape=True,
    undefined=StrictUndefined,
)


def wants_page(accept: str) -> bool:
    """Whether a browser asks. Programs get JSON, also those that take everything."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "text/html" in kinds


def page_of(payment: Payment, sandbox: SandboxPayment | None) -> str:
    """Write the page of a payment."""
    template = _pages.get_template("page.html")
    return template.render(payment=payment, sandbox=sandbox, amount=text_of(payment.amount))


def fields_of(content_type: str, body: bytes) -> dict[str, str]:
    """Read a form. Fields that were left empty are left out.

    Raises UnsupportedMediaType, MalformedBody, InvalidInput.
    """
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(f"Send the form as {FORM}.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise MalformedBody("The body is no form that can be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedBody("The form has the same field twice.")
    return {name: value for name, value in fields.items() if value}


def asked_by(fields: Mapping[str, str]) -> tuple[EventKind, SandboxAsk] | TimeOut:
    """Read what the form's buttons and fields ask for. Raises InvalidInput."""
    given = dict(fields)
    call = given.pop("time_out", None)
    action = given.pop("action", None)
    content = {name: _value_of(name, text) for name, text in given.items()}
    if (call is None) == (action is None):
        raise InvalidInput.at("action", "is needed, or time_out, and not both")
    try:
        if call is not None:
            return TimeOut.model_validate({"call": call, **content})
        if action is None or action not in _ACTIONS:
            raise InvalidInput.at("action", "is pay or fail")
        return _ACTIONS[action], SandboxAsk.model_validate(content)
    except ValidationError as error:
        errors = [
            {"path": ".".join(map(str, fault["loc"])), "message": fault["msg"]}
            for fault in error.errors()
        ]
        raise InvalidInput("The form asks for what the sandbox cannot do.", errors=errors) from None


def _value_of(name: str, text: str) -> Any:  # noqa: ANN401 (the ask checks what it is given)
    if name in _NUMBERS and text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    if name in _TICKS and text == "on":
        return True
    return text
