"""Secrets that belong to a shop: random, and they say whose they are."""

import base64
import binascii
import hashlib
import secrets
from uuid import UUID

SECRET_BYTES = 24
_SHOP_BYTES = 16


def new_token(prefix: str, shop_id: UUID) -> str:
    """Make a secret of a shop. The random part comes first, so that beginnings differ."""
    raw = secrets.token_bytes(SECRET_BYTES) + shop_id.bytes
    return prefix + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def shop_of(prefix: str, token: str) -> UUID | None:
    """Return the shop that a secret names; None for what is no secret of this kind."""
    body = token.removeprefix(prefix)
    if body == token:
        return None
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != SECRET_BYTES + _SHOP_BYTES:
        return None
    return UUID(bytes=raw[SECRET_BYTES:])


def hash_of(token: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(token.encode()).digest()
