"""Decisions about invitations, on plain values."""

from datetime import datetime

from lockstock.kernel.access import PERMISSIONS, Role

LONGEST_NAME = 60


def higher(invited: Role, has: Role | None) -> Role:
    """Return the role that may do more: who accepts loses nothing."""
    if has is None or len(PERMISSIONS[has]) < len(PERMISSIONS[invited]):
        return invited
    return has


def plain(name: str) -> str:
    """Return a shop's name as it may stand in a letter to a stranger: one line, and short."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def letter_text(shop: str, role: Role, token: str, base_url: str, expires_at: datetime) -> str:
    """Write what is sent."""
    return (
        f"{plain(shop)} invites you to work there, as {role}.\n\n"
        f"Your invitation is {token}\n\n"
        f"Log in at {base_url} and accept it. It is good once, until "
        f"{expires_at:%Y-%m-%d %H:%M} UTC. If you do not know this shop, do nothing."
    )
