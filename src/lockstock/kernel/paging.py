"""Keyset paging: a cursor holds the sort key of the last item, signed, so that it cannot be forged.

A cursor is good for the list it came from and no other: the list's scope is part of the signature.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Annotated, Any

from fastapi import Query

from lockstock.kernel.errors import InvalidInput

MAC_BYTES = 12

Limit = Annotated[int, Query(ge=1, le=200, description="items per page")]
Cursor = Annotated[
    str | None, Query(max_length=1000, description="`next` of the page before this one")
]


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
        payload = json.dumps(values, separators=(",", ":")).encode()
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
