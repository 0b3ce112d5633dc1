"""SMS and many other ways, by the library Apprise (the extra `apprise`)."""

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lockstock.kernel import telemetry
from lockstock.users.contract import IdentityKind, Letter
from lockstock.users.rules import Identifier

LIBRARY = "apprise"
# Where the identity goes in the URL, and so whom the URL reaches.
PLACES: dict[IdentityKind, tuple[str, ...]] = {
    "email": ("{email}", "{to}"),
    "phone": ("{phone}", "{to}"),
}


class NotSent(Exception):
    """No URL worked. Apprise's own words may hold a URL with its password, so they are not kept."""


def check_urls(urls: Sequence[str]) -> None:
    """Raise ValueError for a URL that could reach nobody, or without the library.

    The message does not show the URL: it may hold a password.
    """
    if not urls:
        return
    if importlib.util.find_spec(LIBRARY) is None:
        msg = "install the extra: pip install 'lockstock[apprise]'"
        raise ValueError(msg)
    for number, url in enumerate(urls, 1):
        if not any(place in url for places in PLACES.values() for place in places):
            msg = f"URL {number} has none of {{to}}, {{email}}, {{phone}}: it would reach nobody"
            raise ValueError(msg)
        if not _library().Apprise().add(filled(url, Identifier("phone", "+15555550100"), "")):
            msg = f"URL {number} is none that Apprise understands"
            raise ValueError(msg)


def filled(url: str, identity: Identifier, text: str) -> str:
    """Put the identity and the text in their places, escaped."""
    values = {"{text}": text} | dict.fromkeys(("{to}", "{email}", "{phone}"), identity.value)
    for place, value in values.items():
        url = url.replace(place, quote(value, safe=""))
    return url


def _library() -> Any:  # noqa: ANN401 (an optional library has no types where it is not there)
    return importlib.import_module(LIBRARY)


class AppriseSender:
    """Sends by the first URL that works, in the order given."""

    def __init__(self, urls: Sequence[str]) -> None:
        check_urls(urls)
        self._urls = urls

    def reaches(self, kind: IdentityKind) -> bool:
        """Whether a URL has a place for it."""
        return bool(self._urls_for(kind))

    async def send(self, identity: Identifier, letter: Letter) -> None:
        """Send. Raises NotSent."""
        for number, url in enumerate(self._urls_for(identity.kind), 1):
            apprise = _library().Apprise()
            apprise.add(filled(url, identity, letter.text))
            if await apprise.async_notify(body=letter.text, title=letter.subject):
                return
            telemetry.log().warning("apprise_url_failed", number=number, kind=identity.kind)
        raise NotSent

    def _urls_for(self, kind: IdentityKind) -> list[str]:
        return [url for url in self._urls if any(place in url for place in PLACES[kind])]
