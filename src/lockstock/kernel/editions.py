"""Editions: which state of a thing somebody has seen, so that no edit is lost unseen.

A thing that can be edited is answered with an `ETag`. A change with `If-Match` is made only if the
thing still is as it was then. The part of an ETag before the dash is the edition: what an edit
changes. What follows it, where there is any, also changes by itself, as availability does.
"""

import hashlib
import re
from collections.abc import Set
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from lockstock.kernel.errors import InvalidInput, Refusal

_TAGS = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e]*"(?:\s*,\s*(?:W/)?"[\x21\x23-\x7e]*")*\s*')
_QUOTED = re.compile(r'"[\x21\x23-\x7e]*"')
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


class PreconditionFailed(Refusal):
    """The thing is no longer as it was when its ETag was given. `etag` is the one it has now."""

    status = 412
    code = "precondition_failed"
    title = "Changed meanwhile"

    def __init__(self, edition: str) -> None:
        detail = "It was changed since you looked. Look again, then change what you see."
        super().__init__(detail, etag=f'"{edition}"')


def edition_of(text: str) -> str:
    """Return the edition of a state that is written out as text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def whole_edition_of(thing: BaseModel) -> str:
    """Return the edition of a thing of which all that is answered can be edited."""
    return edition_of(thing.model_dump_json())


# The editions that a change is meant for; None: whatever it is now.
Expected = Set[str] | None


def check_edition(expected: Expected, edition: str) -> None:
    """Raise PreconditionFailed where a change is not meant for this edition.

    Call it with the row locked: nobody else then changes it in between.
    """
    if expected is not None and edition not in expected:
        raise PreconditionFailed(edition)


class Edit:
    """The conditions of a change, and where the ETag of what it leaves goes."""

    def __init__(self, expected: Expected, response: Response) -> None:
        self.expected = expected
        self._response = response

    def tag(self, edition: str) -> None:
        """Answer with this ETag."""
        tag(self._response, edition)


def tag(response: Response, edition: str) -> None:
    """Give an answer its ETag. It may be kept, but is to be asked for each time."""
    response.headers["ETag"] = f'"{edition}"'
    response.headers["Cache-Control"] = "private, no-cache"


async def edit(
    response: Response,
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            max_length=1000,
            description="change it only if it still has one of these ETags",
        ),
    ] = None,
) -> Edit:
    """Read the conditions of a change. Raises InvalidInput for what is no list of ETags."""
    if if_match is None or if_match.strip() == "*":
        return Edit(None, response)
    if not _TAGS.fullmatch(if_match):
        raise InvalidInput.at("If-Match", 'is * or a list of ETags in quotes, as in "5f0c"')
    # A weak tag never matches a change (RFC 9110, 8.8.3.2).
    strong = [found for weak, found in _TAG.findall(if_match) if not weak]
    return Edit({found.partition("-")[0] for found in strong}, response)


Editing = Annotated[Edit, Depends(edit)]


async def look(
    response: Response,
    _if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            max_length=1000,
            description="answer 304 if it still has one of these ETags",
        ),
    ] = None,
) -> Response:
    """Let what is looked at have an ETag. `StrictRoute` then answers 304 by itself."""
    return response


Looking = Annotated[Response, Depends(look)]
# For the `responses` of a route that is looked at.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "It still is what the ETag in If-None-Match names."}
}


def or_not_modified(request: Request, response: Response) -> Response:
    """Return 304 in the place of an answer that the caller has already."""
    etag, known = response.headers.get("etag"), request.headers.get("if-none-match")
    if request.method != "GET" or etag is None or known is None:
        return response
    # Weak tags are as good here (RFC 9110, 13.1.2).
    if known.strip() != "*" and etag not in _QUOTED.findall(known):
        return response
    kept = {name: response.headers[name] for name in ("etag", "cache-control")}
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)
