"""Decisions about webhooks, on plain values: which addresses may be sent to, and when again."""

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import httpx2

from lockstock.events.webhooks.contract import ALL_KINDS

DEFAULT_PORTS = {"http": 80, "https": 443}
MOST_PORT = 65_535
# A delay is up to so much shorter or longer, so that what failed together is not tried together.
JITTER = 0.2

# IPv6 that is global is here and nowhere else, also what is registered later.
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
# What leads on to an address inside, or to nobody: Python's own lists differ by its version.
_REFUSED = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: also where clouds answer for a machine's identity
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # protocols, Teredo among them, which holds an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4, which holds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]
_UNSEEN = re.compile(r"[\s\x00-\x20\x7f-\x9f\\]")


class BadUrl(ValueError):
    """No address that events can be posted to. The message says why."""


@dataclass(frozen=True)
class Target:
    """Where a request goes: `host` as it is looked up and as TLS checks it."""

    url: httpx2.URL
    host: str
    port: int


def target_of(text: str) -> Target:
    """Read the URL of a webhook. Raises BadUrl."""
    if _UNSEEN.search(text):
        raise BadUrl("must not contain spaces, backslashes or control characters")
    try:
        url = httpx2.URL(text)
        host = url.raw_host.decode("ascii")
        port = url.port
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise BadUrl("is not a URL") from None
    if url.scheme not in DEFAULT_PORTS:
        raise BadUrl("must begin with https:// or http://")
    if not host:
        raise BadUrl("names no host")
    if url.userinfo or "@" in url.netloc.decode("ascii"):
        raise BadUrl("must not contain a user name or password")
    if url.fragment or text.endswith("#"):
        raise BadUrl("must not have a fragment (#)")
    if port is not None and not 0 < port <= MOST_PORT:
        raise BadUrl("names no port that there is")
    return Target(url, host, port or DEFAULT_PORTS[url.scheme])


def is_outside(address: str) -> bool:
    """Whether an IP address is one of the public internet, for one receiver.

    Not so are loopback, private, link-local, shared, multicast, reserved and documentation
    addresses, nor IPv6 addresses that hold an IPv4 address (mapped, compatible, NAT64, 6to4,
    Teredo), which may lead back inside.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found not in _GLOBAL_IPV6:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    return not any(found in network for network in _REFUSED)


def unknown_kinds(kinds: Collection[str], known: Collection[str]) -> list[str]:
    """Return those of these that are no kind of event."""
    return sorted(set(kinds) - set(known) - {ALL_KINDS})


def wants(kinds: Collection[str], kind: str) -> bool:
    """Whether a webhook for these kinds is told of an event of this kind."""
    return ALL_KINDS in kinds or kind in kinds


def delay_seconds(schedule: Sequence[float], tries: int, chance: float) -> float | None:
    """Return when to try again after so many tries, None to give up.

    `chance` from 0 to 1 places it within the jitter.
    """
    if tries > len(schedule):
        return None
    return schedule[tries - 1] * (1 + JITTER * (2 * chance - 1))
