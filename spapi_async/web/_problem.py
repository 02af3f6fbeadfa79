"""Errors as HTTP responses (RFC 9457); pure. They contain no text of Amazon's, which may include personal data."""

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

_MIN_RETRY_AFTER = 1  # second; also used if the wait is unknown

# The first matching class decides, so subclasses come first.
_ANSWERS: tuple[tuple[type[BaseException], int, str], ...] = (
    (RateLimitWaitError, 503, "The quota at Amazon is used up for the moment."),
    (QuotaExceededError, 503, "The quota at Amazon is used up for the moment."),
    (ClosedError, 503, "The service is shutting down."),
    (LeaseError, 503, "Another process works on this at the moment."),
    (RequestTimeoutError, 504, "Amazon did not answer in time."),
    (OutcomeUnknownError, 502, "Amazon may have carried this out: check before repeating it."),
    (ConnectionFailedError, 502, "Amazon could not be reached."),
    (TransportError, 502, "Amazon could not be reached."),
    (AuthError, 502, "Amazon gave no authorisation."),
    (ForbiddenError, 502, "Amazon does not allow this."),
    (NotFoundError, 404, "Amazon did not find this."),
    (BadRequestError, 400, "Amazon did not accept this request."),
    (ConflictError, 409, "This conflicts with the state of the resource at Amazon."),
    (PayloadTooLargeError, 413, "This is too large for Amazon."),
    (UnsupportedMediaTypeError, 415, "Amazon does not accept this type of content."),
    (UnprocessableError, 422, "Amazon cannot carry out this request."),
    (ApiError, 502, "Amazon failed."),
    (DecodeError, 502, "Amazon's answer could not be read."),
    (DocumentError, 502, "Amazon's document could not be read."),
    (ConfigurationError, 500, "This service is not set up for that."),
)


class Problem(msgspec.Struct, frozen=True):
    """A response: its status, its headers, and a body of ``application/problem+json``.

    The body names the operation and Amazon's request id where they are known. It contains no secret, no personal data
    and no text of Amazon's.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def problem(error: BaseException) -> Problem:
    """The response to a client whose request ended in this error.

    Too little quota is 503 with ``Retry-After`` in whole seconds, rounded up. A failure of Amazon or the network is 502
    or 504. A request that Amazon refused has Amazon's status (400, 404, 409, 413, 415, 422). Any exception that is not
    an :class:`SPAPIError` is 500.
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
        return _MIN_RETRY_AFTER
    return max(math.ceil(seconds), _MIN_RETRY_AFTER)


def spapi_error(error: BaseException) -> SPAPIError | None:
    """The library's own error in an exception: the exception itself, or the first one in an exception group."""
    if isinstance(error, SPAPIError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := spapi_error(each)) is not None), None)
    return None
