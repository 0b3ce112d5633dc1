"""The payment providers that the settings ask for."""

import importlib
import importlib.util
from dataclasses import dataclass

from pydantic import SecretStr

from lockstock.orders.payments.provider import Provider


@dataclass(frozen=True)
class StripeKeys:
    """What Stripe is used with. Without `api_key` it is not used."""

    api_key: SecretStr | None
    webhook_secret: SecretStr | None
    api_base: str | None


def choose(sandbox: Provider | None, keys: StripeKeys) -> dict[str, Provider]:
    """Return the providers by name. Raises ValueError for settings that are half of what it takes.

    `sandbox`: None where it is off.
    """
    providers: dict[str, Provider] = {} if sandbox is None else {"sandbox": sandbox}
    if keys.api_key is None:
        return providers
    if keys.webhook_secret is None:
        msg = "Set LOCKSTOCK_STRIPE_WEBHOOK_SECRET too: without it Stripe's events mean nothing."
        raise ValueError(msg)
    if importlib.util.find_spec("stripe") is None:
        msg = "LOCKSTOCK_STRIPE_API_KEY needs Stripe's SDK: pip install 'lockstock[stripe]'."
        raise ValueError(msg)
    # Here and not above: without the extra, the module cannot be imported.
    adapter = importlib.import_module("lockstock.orders.payments.stripe")
    account = adapter.StripeAccount(keys.api_key, keys.webhook_secret, keys.api_base)
    providers["stripe"] = adapter.Stripe(account)
    return providers
