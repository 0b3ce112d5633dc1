"""Ids: UUIDv7, made by the application, never by the database (so the same SQL runs on Citus)."""

import hashlib
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """Make a new id. Ids made later sort later (UUIDv7, RFC 9562)."""
    return uuid_utils.compat.uuid7()


def derived_id(*parts: object) -> UUID:
    """Make the id that these parts always give: the same request finds the same thing.

    SHA-256 over the parts, each with its length so that no two lists of parts run together, as a
    UUIDv8 (RFC 9562: 122 bits of the maker's own).
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = str(part).encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    value = int.from_bytes(digest.digest()[:16], "big")
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)
