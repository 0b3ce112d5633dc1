"""Logs and metrics: structured lines with a request id through all layers, one metrics registry."""

import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

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
    "lockstock_pool_connections",
    "Database connections, by state.",
    ["state"],
    multiprocess_mode="livesum",
)

BATCH_ASKS = Histogram(
    "lockstock_batch_asks",
    "Asks that one call of a set-based verb served, by verb.",
    ["verb"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
BATCH_WAITS = Histogram(
    "lockstock_batch_wait_seconds",
    "Time that calls waited for the batch before theirs to end, by verb.",
    ["verb"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
BATCH_REFUSED = Counter(
    "lockstock_batch_refused_total", "Calls refused early because too many waited.", ["verb"]
)
BATCH_APART = Counter(
    "lockstock_batch_apart_total", "Batches that failed and were run call by call.", ["verb"]
)


# Where workers of one server keep their figures, for each of them to answer for all.
_WORKERS_FIGURES = "PROMETHEUS_MULTIPROC_DIR"


def environment_of_worker(figures: Path) -> dict[str, str]:
    """Return the environment of a worker that adds to the figures in this directory."""
    return os.environ | {_WORKERS_FIGURES: str(figures)}


def forget_worker(figures: Path, pid: int) -> None:
    """Take what a worker that has ended says of the present out of the figures."""
    mark_process_dead(pid, str(figures))  # type: ignore[no-untyped-call]


def exposition() -> bytes:
    """Return the metrics in Prometheus' text format: of this process, or of all its workers."""
    if _WORKERS_FIGURES not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


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
    global _lines  # noqa: PLW0603 (as logging itself, the logs of a process are configured once)
    _lines = logging.StreamHandler(sys.stderr)
    _lines.setFormatter(
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
    root.handlers = [_lines]
    root.setLevel(level.upper())
    _set_request_line(pretty=pretty)
    for noisy in ("uvicorn.access", "alembic.runtime.migration"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


_RequestLine = Callable[[dict[str, Any]], None]
_lines: "logging.StreamHandler[Any]" = logging.StreamHandler(sys.stderr)


def _pretty_line(event: dict[str, Any]) -> None:
    log().info("request", **event)


def _json_line(event: dict[str, Any]) -> None:
    line = event | structlog.contextvars.get_contextvars()
    line |= {"event": "request", "level": "info", "timestamp": _now()}
    _lines.stream.write(json.dumps(line) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _set_request_line(*, pretty: bool) -> None:
    global _request_line  # noqa: PLW0603 (see above)
    wanted = logging.getLogger().isEnabledFor(logging.INFO)
    _request_line = (_pretty_line if pretty else _json_line) if wanted else None


_request_line: _RequestLine | None = _pretty_line


def log_request(**event: object) -> None:
    """Write the line of a request that was answered: what was bound to it, and this.

    The one line that is written for each request, so it goes a short road: through the libraries it
    takes 50 µs, a third of what a checkout does.
    """
    if _request_line is not None:
        _request_line(event)


def log() -> structlog.stdlib.BoundLogger:
    """Give the logger. What was bound to the request (id, actor, shop) is on each of its lines."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
