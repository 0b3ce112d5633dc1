"""HTTP in and out: strict requests, problem+json for every error, one log line per request."""

import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

import structlog
from fastapi import Depends, FastAPI, Header, Request, Response, params
from fastapi._compat import field_annotation_is_scalar_sequence
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockstock.kernel import telemetry
from lockstock.kernel.editions import or_not_modified
from lockstock.kernel.errors import (
    BodyTooLarge,
    IdempotencyKeyRequired,
    InvalidInput,
    MalformedBody,
    NotFound,
    Refusal,
    UnsupportedMediaType,
)
from lockstock.kernel.ids import new_id
from lockstock.kernel.paging import link_next, page_parameter
from lockstock.kernel.replays import REPLAYED_HEADER, watched
from lockstock.kernel.strict_json import decode

# Two of these in one request mean that two readers may believe two things.
SINGLE_HEADERS = ("authorization", "content-type", "content-length", "idempotency-key", "if-match")
# As proxies log it: the client did not wait for an answer.
CLIENT_CLOSED_REQUEST = 499
_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class Problem(BaseModel):
    """An error as RFC 9457 has it. `code` is stable; more members depend on it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[dict[str, str]] | None = None


def request_id_of(request: Request) -> str:
    """Return the id that is on every log line, ledger row and problem of this request."""
    found: str = request.scope.get("request_id", "")
    return found


def problem(request: Request, refusal: Refusal) -> Response:
    """Turn a refusal into its answer."""
    telemetry.REFUSALS.labels(refusal.code).inc()
    return _problem(
        request,
        {"status": refusal.status, "code": refusal.code, "title": refusal.title}
        | {"detail": refusal.detail}
        | refusal.fields,
    )


def _problem(request: Request, members: dict[str, Any]) -> Response:
    content = {"type": f"urn:lockstock:problem:{members['code']}"} | members
    content["request_id"] = request_id_of(request)
    headers = {}
    if "retry_after_seconds" in members:
        headers["Retry-After"] = str(members["retry_after_seconds"])
    if "etag" in members:
        headers["ETag"] = members["etag"]
    if members["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        content,
        status_code=members["status"],
        headers=headers,
        media_type="application/problem+json",
    )


class StrictRoute(APIRoute):
    """A route that decodes its body strictly and takes no unknown or doubled parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the checks before FastAPI's own handler."""
        answer = super().get_route_handler()
        fields = [
            field
            for field in get_flat_params(self.dependant)
            if not isinstance(field.field_info, params.Path | params.Header | params.Cookie)
        ]
        known = frozenset(field.alias for field in fields)
        lists = frozenset(
            field.alias
            for field in fields
            if field_annotation_is_scalar_sequence(field.field_info.annotation)
        )
        paging = page_parameter(self.response_model, known)
        takes_body = self.body_field is not None
        # A call that asks for the request reads the bytes by itself.
        has_none = not takes_body and self.dependant.request_param_name is None

        async def strict(request: Request) -> Response:
            _check_headers(request.headers)
            _check_query(request, known, lists)
            if takes_body:
                await _decode_body(request)
            elif has_none and request.method != "GET":
                await _check_no_body(request)
            with watched() as replay:
                response = await answer(request)
            if replay.found and "idempotency-key" in request.headers:
                response.headers[REPLAYED_HEADER] = "true"
            if paging:
                link_next(request.url, response, paging)
            return or_not_modified(request, response)

        return strict


def _check_headers(headers: Headers) -> None:
    for name in SINGLE_HEADERS:
        if len(headers.getlist(name)) > 1:
            raise MalformedBody(f"The header {name} is there more than once.")


def _check_query(request: Request, known: frozenset[str], lists: frozenset[str]) -> None:
    try:
        unquote_to_bytes(request.url.query).decode()
    except UnicodeDecodeError:
        # The decoder would put another character in the place of what it cannot read.
        raise InvalidInput.at("query", "is not UTF-8") from None
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, times in given.items():
        if name not in known:
            raise InvalidInput.at(name, "is not a parameter of this call")
        if times > 1 and name not in lists:
            raise InvalidInput.at(name, "is there more than once")
        if any("\0" in value for value in request.query_params.getlist(name)):
            raise InvalidInput.at(name, "must not contain control characters")


async def _check_no_body(request: Request) -> None:
    if (await request.body()).strip() not in {b"", b"{}"}:
        raise InvalidInput.at("body", "this call takes no body")


async def _decode_body(request: Request) -> None:
    body = await request.body()
    if not body:
        return
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    if any(charset.lower() != "utf-8" for charset in _CHARSET.findall(rest)):
        raise UnsupportedMediaType("Send the body in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, not compressed.")
    # Starlette keeps the decoded body here; FastAPI's own decoder then finds it done.
    request._json = decode(body)  # noqa: SLF001


async def idempotency_key(
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)] = None,
) -> str:
    """Return the request's key: 1 to 255 printable ASCII characters, chosen by the caller."""
    if key is None:
        raise IdempotencyKeyRequired("Send an Idempotency-Key header with this request.")
    return _checked_key(key)


async def optional_idempotency_key(
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)] = None,
) -> str | None:
    """Return the request's key where one was sent."""
    return None if key is None else _checked_key(key)


def _checked_key(key: str) -> str:
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise IdempotencyKeyRequired("An Idempotency-Key is 1 to 255 printable ASCII characters.")
    return key


async def _request_id(request: Request) -> str:
    return request_id_of(request)


# Dependencies are coroutines also where they wait for nothing: FastAPI runs others in a thread,
# which costs more than they do and forgets what they bind to the log.
IdempotencyKey = Annotated[str, Depends(idempotency_key)]
OptionalIdempotencyKey = Annotated[str | None, Depends(optional_idempotency_key)]
RequestId = Annotated[str, Depends(_request_id)]
# A path parameter. What is no UUID names nothing, so it answers 404 (see `_invalid`).
PathId = UUID


def provided(name: str) -> Any:  # noqa: ANN401 (FastAPI types the result of Depends so)
    """Depend on what `app.py` put on the application under `name`."""

    async def get(request: Request) -> object:
        return getattr(request.app.state, name)

    return Depends(get)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101
    return problem(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if any(item["loc"][0] == "path" for item in found):
        return problem(request, NotFound("There is no such thing."))
    errors = [
        {
            "path": ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]),
            "message": str(item["msg"]).removeprefix("Value error, "),
        }
        for item in found
    ]
    detail = "; ".join(f"{item['path']}: {item['message']}" for item in errors[:5])
    return problem(request, InvalidInput(detail, errors=errors))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = HTTPStatus(error.status_code)
    code = status.name.lower()
    telemetry.REFUSALS.labels(code).inc()
    answer = _problem(
        request,
        {"status": status.value, "code": code, "title": status.phrase, "detail": str(error.detail)},
    )
    answer.headers.update(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(_methods_at(request))
    return answer


def _methods_at(request: Request) -> list[str]:
    """Return all methods of the path. The router only names those of the first route there."""
    found = {
        method
        for route in iter_route_contexts(request.app.routes)
        if getattr(route, "path_regex", None) and route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }
    return sorted(found)


def install_errors(app: FastAPI) -> None:
    """Make every error of the application a problem+json."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


class Edge:
    """The outermost layer: request id, size limit, metrics, one log line, and 500 for a bug."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        sent, declared = _first_look(scope)
        request_id = sent if _REQUEST_ID.fullmatch(sent) else str(new_id())
        scope["request_id"] = request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id)
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, _limited(receive, declared, self._max_body_bytes), answer)
        except BodyTooLarge as error:
            await problem(Request(scope), error)(scope, receive, answer)
        except ClientDisconnect:
            # It hung up in the middle of its body: nobody is there to be answered.
            status = status or CLIENT_CLOSED_REQUEST
        except Exception:
            telemetry.ERRORS.labels(_route_of(scope)).inc()
            telemetry.log().exception("bug", method=scope["method"], path=scope["path"])
            if status:
                raise
            await _bug(Request(scope))(scope, receive, answer)
        _report(scope, status, time.monotonic() - started)


def _first_look(scope: Scope) -> tuple[str, bytes]:
    """Return the request id that was sent and the length that was declared, in one go."""
    sent, declared = b"", b""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            sent = sent or value
        elif name == b"content-length":
            declared = declared or value
    return sent.decode("latin-1"), declared


def _add_headers(message: Message, request_id: str) -> None:
    headers = [
        *message.get("headers", ()),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if all(name.lower() != b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))
    message["headers"] = headers


def _limited(receive: Receive, declared: bytes, most: int) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        if declared.isdigit() and int(declared) > most:
            raise BodyTooLarge(f"A body has at most {most} bytes.")
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise BodyTooLarge(f"A body has at most {most} bytes.")
        return message

    return limited


def _bug(request: Request) -> Response:
    return _problem(
        request,
        {
            "status": 500,
            "code": "internal_error",
            "title": "Internal error",
            "detail": "This is a bug. The log has a line with this request_id.",
        },
    )


def _route_of(scope: Scope) -> str:
    # Never the path itself: it holds ids, and a metric must not have a label value per id.
    if "route_path" in scope:
        path: str = scope["route_path"]
        return path
    if "endpoint" not in scope:
        return "unmatched"
    names = {value: f"{{{name}}}" for name, value in scope["path_params"].items()}
    route = "/".join(names.get(part, part) for part in scope["path"].split("/"))
    for value, name in names.items():
        # A parameter that is a path, and has a slash in it.
        route = route.replace(value, name) if "/" in value else route
    return route


def _report(scope: Scope, status: int, seconds: float) -> None:
    route = _route_of(scope)
    telemetry.REQUESTS.labels(route, scope["method"], f"{status // 100}xx").observe(seconds)
    telemetry.log_request(
        method=scope["method"],
        path=scope["path"],
        status=status,
        milliseconds=round(seconds * 1000, 1),
    )
