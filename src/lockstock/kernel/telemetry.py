"""Logs and metrics: structured lines with a request id through all layers, one metrics registry."""

import logging
import sys
from typing import Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram

LogFormat = Literal["auto", "json", "pretty"]

# Names that never reach a log line, wherever they turn up.
SECRET_NAMES = frozenset(
    {"password", "code", "access_token", "refresh_token", "authorization", "signing_key", "secret"}
)

REQUESTS = Histogram(
    "lockstock_http_request_seconds",
    "Time to answer, by route, method and status class.",
    ["route", "method", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REFUSALS = Counter("lockstock_refusals_total", "Expected refusals, by code.", ["code"])
ERRORS = Counter("lockstock_errors_total", "Answers 500: bugs, each with a log line.", ["route"])
RETRIES = Counter(
    "lockstock_transaction_retries_total", "Transactions run again, by SQLSTATE.", ["sqlstate"]
)
UNKNOWN_OUTCOMES = Counter(
    "lockstock_unknown_outcomes_total", "Connections lost while COMMIT was under way."
)
TRANSACTIONS = Histogram(
    "lockstock_transaction_seconds",
    "Time of a transaction that committed, waiting for the pool included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
POOL_CONNECTIONS = Gauge(
    "lockstock_pool_connections", "Database connections of this process, by state.", ["state"]
)


def _drop_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for name in SECRET_NAMES & event.keys():
        event[name] = "[removed]"
    return event


def configure_logs(level: str, log_format: LogFormat) -> None:
    """Send structured lines to stderr: JSON, or for people on a terminal.

    Lines of the libraries take the same road, so that every line has the same shape.
    """
    pretty = log_format == "pretty" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_secrets,
    ]
    renderer: structlog.typing.Processor = (
        # Plain: the other formatters show local variables, and a password may be one.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    exceptions: list[structlog.typing.Processor] = (
        [] if pretty else [structlog.processors.format_exc_info]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *exceptions,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "alembic.runtime.migration"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log() -> structlog.stdlib.BoundLogger:
    """Give the logger. What was bound to the request (id, actor, shop) is on each of its lines."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
