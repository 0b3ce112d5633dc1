"""Where a stream stands, as the id of its events.

It is the sequence of the shop's log. A shop that hides its numbers would tell how much it sells by
them, so its customers get them encrypted.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

HEADER = {"alg": "dir", "enc": "A256GCM"}
LONGEST = 300


class Places:
    """Writes and reads ids of events.

    `keys` are the server's signing keys, the same in every process: the first writes, all read.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [
            OctKey.import_key(hashlib.sha256(b"stream:" + key.encode()).digest()) for key in keys
        ]
        # All who watch a shop are at the same place, most of the time.
        self._encrypted = lru_cache(maxsize=1024)(self._encrypt)

    def _encrypt(self, shop_id: UUID, sequence: int) -> str:
        # As many digits for each: the length must not tell either.
        text = f"{shop_id} {sequence:020}"
        return jwe.encrypt_compact(HEADER, text.encode(), self._keys[0])

    def write(self, shop_id: UUID, sequence: int, *, hidden: bool) -> str:
        """Return the id for a place."""
        return self._encrypted(shop_id, sequence) if hidden else str(sequence)

    def read(self, shop_id: UUID, event_id: str, *, hidden: bool) -> int | None:
        """Return the place of an id; None for one that means nothing here.

        Where places are hidden a number means nothing: by trying, one could find the newest.
        """
        if not hidden:
            # No more digits than PostgreSQL's bigint surely takes.
            is_number = event_id.isascii() and event_id.isdigit() and len(event_id) <= 18
            return int(event_id) if is_number else None
        if len(event_id) > LONGEST:
            return None
        for key in self._keys:
            try:
                text = jwe.decrypt_compact(event_id, key).plaintext or b""
            except (JoseError, ValueError):
                continue
            shop, _, sequence = text.decode().partition(" ")
            return int(sequence) if shop == str(shop_id) else None
        return None
