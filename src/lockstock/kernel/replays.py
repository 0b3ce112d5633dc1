"""Answers that were given before: a service finds one, the route marks it for the caller.

What is found deep in a transaction is of no use to other services, so it is not in the answers of
the verbs: it is noted beside the request, as the fields of its log line are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

REPLAYED_HEADER = "Idempotency-Replayed"


@dataclass
class Replay:
    """Whether the answer to a request is one that was given before."""

    found: bool = False


_of_request: ContextVar[Replay | None] = ContextVar("replay", default=None)


def mark_replayed() -> None:
    """Note that what this request asks for was done before. Outside of a request: nothing."""
    replay = _of_request.get()
    if replay is not None:
        replay.found = True


@contextmanager
def watched() -> Iterator[Replay]:
    """Watch for an answer that was given before, in what is called meanwhile."""
    replay = Replay()
    token = _of_request.set(replay)
    try:
        yield replay
    finally:
        _of_request.reset(token)
