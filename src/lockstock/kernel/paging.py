"""Keyset paging: a cursor holds the sort key of the last item, signed, so that it cannot be forged.

A cursor is good for the list it came from and no other: the list's scope is part of the signature.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Collection
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Query, Response
from pydantic import BeforeValidator
from starlette.datastructures import URL

from lockstock.kernel.errors import InvalidInput
from lockstock.kernel.nouns import Page

MAC_BYTES = 12
LONGEST_CURSOR = 1000


def _plain_digits(typed: object) -> object:
    """Refuse what int() would also read: "1_0", "+5", " 5", "5.0"."""
    if isinstance(typed, str) and not (typed.isascii() and typed.isdigit()):
        msg = "is not a whole number"
        raise ValueError(msg)
    return typed


Limit = Annotated[
    int, BeforeValidator(_plain_digits), Query(ge=1, le=200, description="items per page")
]
Cursor = Annotated[
    str | None, Query(max_length=LONGEST_CURSOR, description="`next` of the page before this one")
]


_NEXT = re.compile(rb'"next":"([A-Za-z0-9_-]+)"\}$')


def page_parameter(answer: object, parameters: Collection[str]) -> str | None:
    """Return which of its parameters takes a route that answers this to the page after it."""
    if not isinstance(answer, type) or not issubclass(answer, Page):
        return None
    if list(answer.model_fields)[-1] != "next":
        msg = f"{answer.__name__}: `next` is to be the last field; link_next finds it there"
        raise TypeError(msg)
    return next((name for name in ("cursor", "after") if name in parameters), None)


def link_next(url: URL, response: Response, parameter: str = "cursor") -> None:
    """Name the page after this one in the header `Link` as well (RFC 8288), if there is one."""
    found = _NEXT.search(bytes(response.body))
    if found:
        response.headers["Link"] = link_to(url.path, url.query, parameter, found[1].decode())


def link_to(path: str, query: str, parameter: str, cursor: str) -> str:
    """Return what `Link` says of the next page.

    The address has no host: the one in the request is only what the caller says.
    """
    given = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name != parameter]
    return f'<{path}?{urlencode([*kept, (parameter, cursor)])}>; rel="next"'


class Cursors:
    """Writes and reads cursors.

    `key` is the server's signing key, the same in every process.
    """

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"cursor:" + key.encode()).digest()

    def _mac(self, scope: str, payload: bytes) -> bytes:
        signed = scope.encode() + b"\0" + payload
        return hmac.digest(self._key, signed, "sha256")[:MAC_BYTES]

    def write(self, scope: str, values: list[Any]) -> str:
        """Make the cursor for the item with these JSON values as its sort key."""
        # In UTF-8: escaped, a key of 100 emoji is longer than a cursor may be.
        payload = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._mac(scope, payload) + payload).decode().rstrip("=")

    def read(self, scope: str, cursor: str | None) -> list[Any] | None:
        """Return the sort key in `cursor`, None for the first page.

        Raises InvalidInput for a cursor that is damaged, forged or of another list.
        """
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput.at("cursor", "is not a cursor of this list") from None
        mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(scope, payload)):
            raise InvalidInput.at("cursor", "is not a cursor of this list")
        values: list[Any] = json.loads(payload)
        return values
