"""Refusals: what Lockstock says when it will not do something, and why.

A refusal is an expected answer, declared in the contract of the service that gives it. Anything
else that is raised is a bug and becomes a 500 with an id.
"""

from typing import Any, ClassVar


class Refusal(Exception):
    """An expected "no". It leaves no effect and becomes one problem+json answer.

    `detail` is a sentence for people; `fields` are extra members of the answer for programs.
    """

    status: ClassVar[int] = 409
    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "Refused"

    def __init__(self, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields: dict[str, Any] = fields

    def __copy__(self) -> "Refusal":
        """Say the same again: one that is raised to many must be one for each."""
        made = type(self).__new__(type(self), *self.args)
        made.__dict__.update(self.__dict__)
        return made


class InvalidInput(Refusal):
    """The request is well formed but a value in it is not acceptable.

    `errors` lists `{"path": "lines.0.quantity", "message": "..."}`.
    """

    status = 422
    code = "invalid_input"
    title = "Invalid input"

    @classmethod
    def at(cls, path: str, message: str) -> "InvalidInput":
        """Refuse one field, named by its path in the request."""
        return cls(f"{path}: {message}", errors=[{"path": path, "message": message}])


class MalformedBody(Refusal):
    """The body is not JSON as RFC 8259 and I-JSON (RFC 7493) have it."""

    status = 400
    code = "malformed_body"
    title = "Malformed body"


class UnsupportedMediaType(Refusal):
    """The body is not declared as application/json."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class BodyTooLarge(Refusal):
    """The body is longer than `LOCKSTOCK_MAX_BODY_BYTES`."""

    status = 413
    code = "body_too_large"
    title = "Body too large"


class Unauthenticated(Refusal):
    """No token, or one that does not verify."""

    status = 401
    code = "unauthenticated"
    title = "Log in first"


class Forbidden(Refusal):
    """The caller is known and belongs here, but their role does not allow this."""

    status = 403
    code = "forbidden"
    title = "Your role does not allow this"


class NotFound(Refusal):
    """There is no such thing, or none that the caller may know of."""

    status = 404
    code = "not_found"
    title = "Not found"


class TooManyRequests(Refusal):
    """A limit per identity or address was reached. `retry_after_seconds` says when to come back."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class IdempotencyKeyRequired(Refusal):
    """A POST that takes stock or money came without an `Idempotency-Key`, or with a bad one."""

    status = 400
    code = "idempotency_key_required"
    title = "Idempotency-Key required"


class IdempotencyKeyReused(Refusal):
    """The caller used this key before, for another request."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency-Key was used for another request"


class Unavailable(Refusal):
    """Not now. Nothing was done, or the same key finds out what was."""

    status = 503
    code = "unavailable"
    title = "Try again in a moment"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)


class Overloaded(Unavailable):
    """More is waiting than can be served in time. Nothing was done: said early, not late."""

    code = "overloaded"
    title = "Overloaded, try again in a moment"


class DatabaseUnavailable(Unavailable):
    """The database does not answer. Nothing was done."""

    code = "database_unavailable"


class OutcomeUnknown(Unavailable):
    """The connection was lost while COMMIT was under way: it may or may not have happened.

    It is never guessed. The same request with the same Idempotency-Key finds out.
    """

    code = "outcome_unknown"
    title = "Outcome unknown, retry with the same Idempotency-Key"
