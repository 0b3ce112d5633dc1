"""Every setting, typed, with its unit and default. `LOCKSTOCK_*` variables, or `.env`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SHORTEST_KEY = 32


class Settings(BaseSettings):
    """What a process of Lockstock is told from outside."""

    model_config = SettingsConfigDict(
        env_prefix="LOCKSTOCK_", env_file=".env", env_file_encoding="utf-8", extra="ignore"
    )

    database_url: SecretStr | None = Field(
        default=None, description="A PostgreSQL of your own, 15 or newer. Unset: the embedded one."
    )
    users_database_url: SecretStr | None = Field(
        default=None, description="Another database for the users service. Unset: the same."
    )
    data_dir: Path | None = Field(
        default=None, description="Where the embedded PostgreSQL and the signing key live."
    )
    signing_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description=(
            "Secrets of at least 32 characters, separated by commas: the first signs tokens, all "
            "verify them. Made and kept in the data directory with the embedded database."
        ),
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on.")
    base_url: str | None = Field(
        default=None, description="The address clients see. Unset: http://host:port."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log line that is written."
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        default="auto", description="auto: pretty on a terminal, JSON elsewhere."
    )
    pool_size: int = Field(
        default=10, ge=1, le=200, description="Database connections of one process."
    )
    lock_timeout_seconds: float = Field(
        default=10.0, gt=0, description="How long a statement waits for a row lock."
    )
    statement_timeout_seconds: float = Field(
        default=30.0, gt=0, description="How long a statement may run."
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="The longest request body.")
    reservation_seconds: int = Field(
        default=900,
        ge=1,
        le=604_800,
        description="Time to pay where a shop has no setting of its own.",
    )
    sweep_seconds: float = Field(
        default=1.0, ge=0, description="Pause between two sweeps of expired holds. 0: never sweep."
    )
    relay_seconds: float = Field(
        default=0.2,
        ge=0,
        description="Pause between two looks for events that are not in the log yet. 0: never.",
    )
    access_token_seconds: int = Field(
        default=900, ge=1, le=86_400, description="Lifetime of an access token."
    )
    refresh_token_seconds: int = Field(
        default=2_592_000, ge=60, description="Lifetime of a session without use."
    )
    code_seconds: int = Field(
        default=600, ge=30, le=3600, description="Lifetime of a one-time code."
    )
    code_tries: int = Field(default=5, ge=1, le=20, description="Wrong tries per one-time code.")
    failures_per_identity: int = Field(
        default=10, ge=1, description="Failed logins per identity in 15 minutes."
    )
    codes_per_identity: int = Field(
        default=5, ge=1, description="One-time codes sent to an identity in 15 minutes."
    )
    failures_per_address: int = Field(
        default=300, ge=1, description="Failed logins and codes per network address and minute."
    )
    password_workers: int = Field(
        default=2, ge=1, le=32, description="Passwords hashed at the same time, per process."
    )
    default_region: str = Field(
        default="GB",
        pattern="^[A-Z]{2}$",
        description="Country of phone numbers that are written without +.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description=(
            "The mail server, as smtps://user:password@host:465 (TLS), smtp://…:587 (STARTTLS) or "
            "smtp+plain://localhost:25. Unset: codes by e-mail go to the log with the embedded "
            "database, nowhere with your own."
        ),
    )
    smtp_from: str | None = Field(
        default=None, description="Who the mail comes from: an address, or Name <address>."
    )
    apprise_urls: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list,
        description=(
            "Apprise URLs for SMS and others, separated by spaces, the first that works is used. "
            "{phone} reaches phone numbers, {email} addresses, {to} both; {text} is the message."
        ),
    )
    invitation_seconds: int = Field(
        default=604_800, ge=60, le=7_776_000, description="Lifetime of an invitation to a shop."
    )
    sandbox_payments: bool | None = Field(
        default=None,
        description="The sandbox payment provider. Unset: on with the embedded database only.",
    )
    reconcile_seconds: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="Without news of a payment for so long, its provider is asked.",
    )
    stripe_api_key: SecretStr | None = Field(
        default=None, description="Stripe's secret key. With it, payments through Stripe are on."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="The secret with which Stripe signs its events."
    )
    stripe_api_base: str | None = Field(
        default=None, description="Where Stripe's API is. Unset: at Stripe."
    )
    low_stock_seconds: float = Field(
        default=1.0,
        ge=0,
        description="Pause between two looks for stock that has become low, or is no longer. "
        "0: never.",
    )
    in_stock_seconds: float = Field(
        default=0.2,
        ge=0,
        description="Pause between two looks for products that have units again, or none any more. "
        "0: never.",
    )
    streams: int = Field(
        default=1000, ge=0, description="Streams of stock that one process holds open."
    )
    streams_per_address: int = Field(
        default=100,
        ge=0,
        description="Of these, to one network address. Behind a proxy all have that of the proxy.",
    )
    max_lines: int = Field(default=100, ge=1, le=500, description="Lines of one order.")
    max_open_reservations: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description=(
            "Open reservations of one customer in a shop that has no cap of its own. Unset: any "
            "number."
        ),
    )

    webhooks_seconds: float = Field(
        default=0.2,
        ge=0,
        description="Pause between two looks for events to send to webhooks. 0: never.",
    )
    webhooks_timeout_seconds: float = Field(
        default=15.0, gt=0, le=60, description="How long one attempt may take, with its answer."
    )
    webhooks_under_way: int = Field(
        default=50, ge=1, le=1000, description="Attempts of one process at the same time."
    )
    webhooks_retry_seconds: Annotated[list[Annotated[float, Field(ge=0)]], NoDecode] = Field(
        default=[5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
        max_length=50,
        description=(
            "Pauses before a failed attempt is made again, separated by commas; up to a fifth "
            "shorter or longer. After the last one the event is given up."
        ),
    )
    webhooks_failing_seconds: float = Field(
        default=432_000.0,
        ge=0,
        description="A webhook at which nothing has arrived for so long is switched off.",
    )
    webhooks_keep_seconds: int = Field(
        default=2_592_000, ge=0, description="How long deliveries that have ended can be seen."
    )
    webhooks_allow_private: bool = Field(
        default=False,
        description="Let webhooks lead to inner addresses. For development and tests.",
    )

    @field_validator("webhooks_retry_seconds", mode="before")
    @classmethod
    def _split_numbers(cls, value: object) -> object:
        return [part for part in value.split(",") if part] if isinstance(value, str) else value

    @field_validator("signing_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("apprise_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        # By spaces: a URL may hold a comma, and no space.
        return value.split() if isinstance(value, str) else value

    @field_validator("signing_keys")
    @classmethod
    def _long_enough(cls, keys: list[SecretStr]) -> list[SecretStr]:
        if any(len(key.get_secret_value()) < SHORTEST_KEY for key in keys):
            msg = f"a signing key has at least {SHORTEST_KEY} characters"
            raise ValueError(msg)
        return keys

    @property
    def own_url(self) -> str:
        """Where people reach this server."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded PostgreSQL is used."""
        return self.database_url is None

    @property
    def sandbox_is_on(self) -> bool:
        """Whether the sandbox payment provider may be used."""
        return self.is_embedded if self.sandbox_payments is None else self.sandbox_payments
