"""An error as an HTTP answer (RFC 9457): pure, and in our own words, for Amazon's may hold what a buyer wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from spapi_async.errors import (
    ApiError,
    AuthError,
    BadRequestError,
    ClosedError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    DecodeError,
    DocumentError,
    ForbiddenError,
    LeaseError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    QuotaExceededError,
    RateLimitWaitError,
    RequestTimeoutError,
    SPAPIError,
    TransportError,
    UnprocessableError,
    UnsupportedMediaTypeError,
)

__all__ = ["Problem", "problem", "spapi_error"]

_SHORTEST_WAIT = 1  # second, where nobody knows how long

# The first class that fits decides, so the narrower ones come first.
_ANSWERS: tuple[tuple[type[BaseException], int, str], ...] = (
    (RateLimitWaitError, 503, "The quota at Amazon is used up for the moment."),
    (QuotaExceededError, 503, "The quota at Amazon is used up for the moment."),
    (ClosedError, 503, "The service is shutting down."),
    (LeaseError, 503, "Another process works on this at the moment."),
    (RequestTimeoutError, 504, "Amazon did not answer in time."),
    (OutcomeUnknownError, 502, "Amazon may have carried this out: look before it is repeated."),
    (ConnectionFailedError, 502, "Amazon could not be reached."),
    (TransportError, 502, "Amazon could not be reached."),
    (AuthError, 502, "Amazon gave no authorisation."),
    (ForbiddenError, 502, "Amazon does not allow this."),
    (NotFoundError, 404, "Amazon does not know this."),
    (BadRequestError, 400, "Amazon does not take this request."),
    (ConflictError, 409, "This conflicts with what Amazon holds."),
    (PayloadTooLargeError, 413, "This is too large for Amazon."),
    (UnsupportedMediaTypeError, 415, "Amazon does not take this kind of content."),
    (UnprocessableError, 422, "Amazon cannot carry out this request."),
    (ApiError, 502, "Amazon failed."),
    (DecodeError, 502, "Amazon's answer could not be read."),
    (DocumentError, 502, "Amazon's document could not be read."),
    (ConfigurationError, 500, "This service is not set up for that."),
)


class Problem(msgspec.Struct, frozen=True):
    """An answer: its status, its headers, and a body of ``application/problem+json``.

    The body names the operation and Amazon's request id where they are known. It holds no secret, no personal data and
    none of Amazon's words.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def problem(error: BaseException) -> Problem:
    """The answer to a client whose request ended in this error.

    Quota that is short is 503 with ``Retry-After`` in whole seconds, rounded up; what Amazon or the network did is 502
    or 504; what the client asked for in vain is what Amazon called it (400, 404, 409, 413, 415, 422); anything that is
    no :class:`SPAPIError` is 500.
    """
    status, detail = next(
        ((status, detail) for kind, status, detail in _ANSWERS if isinstance(error, kind)),
        (500, "The service failed."),
    )
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    content: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    content["detail"] = detail
    if isinstance(error, SPAPIError):
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["retry-after"] = str(_whole_seconds(error.retry_after))
        known = {"operation": error.operation, "request_id": error.request_id}
        content |= {name: value for name, value in known.items() if value is not None}
    body = msgspec.json.encode(content)
    headers["content-length"] = str(len(body))
    return Problem(status, headers, body)


def _whole_seconds(seconds: float | None) -> int:
    if seconds is None or not math.isfinite(seconds):
        return _SHORTEST_WAIT
    return max(math.ceil(seconds), _SHORTEST_WAIT)


def spapi_error(error: BaseException) -> SPAPIError | None:
    """The library's error in what a framework raises: itself, or the first in a task group's."""
    if isinstance(error, SPAPIError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := spapi_error(each)) is not None), None)
    return None
