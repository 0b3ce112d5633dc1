"""A client of Lockstock's public HTTP API: `from lockstock.client import Client`."""

from lockstock.client.api import Client
from lockstock.client.refusals import ApiError
from lockstock.client.session import Session
from lockstock.client.transport import Patience, etag_of, was_replayed

__all__ = ["ApiError", "Client", "Patience", "Session", "etag_of", "was_replayed"]
