"""Every error this library raises, in one tree.

::

    SPAPIError
    ├── ConfigurationError            the caller's own settings or arguments cannot work
    ├── TransportError                no usable HTTP reply
    │   ├── ConnectionFailedError     the request never left
    │   ├── RequestTimeoutError       connect, read or total timeout; safe to repeat
    │   └── OutcomeUnknownError       Amazon may have acted: look before repeating
    ├── AuthError                     no token for this call
    │   └── LWAError                  Login with Amazon refused; carries its error code
    ├── ApiError                      the Selling Partner API answered with a non-2xx status
    │   ├── BadRequestError           400
    │   ├── ForbiddenError            401, 403
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── PayloadTooLargeError      413
    │   ├── UnsupportedMediaTypeError 415
    │   ├── UnprocessableError        422
    │   ├── QuotaExceededError        429, after every permitted retry
    │   └── ServerError               5xx, after every permitted retry
    ├── RateLimitWaitError            the wait for quota would exceed max_wait
    ├── DecodeError                   a 2xx body that is not JSON, (strict) breaks its model, or is not a page
    ├── DocumentError                 reports, feeds, Data Kiosk documents
    │   ├── DocumentTruncatedError
    │   ├── DocumentUrlExpiredError
    │   ├── FeedCancelledError
    │   ├── FeedFatalError
    │   ├── QueryCancelledError
    │   ├── QueryFatalError
    │   ├── ReportCancelledError
    │   └── ReportFatalError
    ├── LeaseError                    another process works on the same orders
    │   ├── LeaseHeldError            it holds the lease now
    │   └── LeaseLostError            it has taken the lease over; nothing was written
    └── ClosedError                   the application was closed, before or during the call

Every error says which operation failed and, where known, Amazon's request id, the HTTP status and how many
seconds to wait before trying again. Every error pickles. No error holds a token, a secret or personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from spapi_async._error_base import ErrorDetail, SPAPIError

__all__ = [
    "ApiError",
    "AuthError",
    "BadRequestError",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DecodeError",
    "DocumentError",
    "DocumentTruncatedError",
    "DocumentUrlExpiredError",
    "ErrorDetail",
    "FeedCancelledError",
    "FeedFatalError",
    "ForbiddenError",
    "LWAError",
    "LeaseError",
    "LeaseHeldError",
    "LeaseLostError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PayloadTooLargeError",
    "QueryCancelledError",
    "QueryFatalError",
    "QuotaExceededError",
    "RateLimitWaitError",
    "ReportCancelledError",
    "ReportFatalError",
    "RequestTimeoutError",
    "SPAPIError",
    "SPAPIWarning",
    "ServerError",
    "TransportError",
    "UnprocessableError",
    "UnsupportedMediaTypeError",
    "error_for_status",
]


class ConfigurationError(SPAPIError):
    """The settings or arguments cannot work; nothing was sent."""


class TransportError(SPAPIError):
    """No usable HTTP reply was received."""


class ConnectionFailedError(TransportError):
    """The connection could not be made: the request never left, so repeating it is always safe."""


class RequestTimeoutError(TransportError):
    """A timeout passed (connect, read or total) on a request that is safe to repeat."""


class OutcomeUnknownError(TransportError):
    """The request left, no clear answer came, and the operation is not idempotent.

    Amazon may or may not have acted. Find out (list, get) before calling again.
    """


class AuthError(SPAPIError):
    """No token was obtained for this call."""


class LWAError(AuthError):
    """Login with Amazon refused the grant.

    Attributes:
        code: Amazon's ``error``, such as ``invalid_grant`` or ``invalid_client``.
    """

    def __init__(self, message: str, *, code: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.code = code


class ApiError(SPAPIError):
    """The Selling Partner API answered with a status that is not 2xx.

    Attributes:
        errors: Amazon's ``errors`` entries; empty if the body has none (an HTML page, an empty body).
    """

    def __init__(self, message: str, *, errors: tuple[ErrorDetail, ...] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.errors = errors

    @property
    def code(self) -> str:
        """Amazon's code of the first error, or an empty string."""
        return self.errors[0].code if self.errors else ""

    @property
    def details(self) -> str:
        """Amazon's details of the first error, or an empty string."""
        return self.errors[0].details if self.errors else ""


class BadRequestError(ApiError):
    """400: the request is malformed or its arguments are not accepted."""


class ForbiddenError(ApiError):
    """401 or 403: the token, the role or the grant does not allow this call."""


class NotFoundError(ApiError):
    """404: no such resource for this selling partner."""


class ConflictError(ApiError):
    """409: the resource is in a state that does not allow this call."""


class PayloadTooLargeError(ApiError):
    """413: the body is larger than Amazon accepts."""


class UnsupportedMediaTypeError(ApiError):
    """415: Amazon does not accept this content type."""


class UnprocessableError(ApiError):
    """422: well-formed, but refused by a business rule."""


class QuotaExceededError(ApiError):
    """429: throttled, and every permitted retry was throttled too."""


class ServerError(ApiError):
    """5xx: Amazon failed, and every permitted retry failed too."""


class RateLimitWaitError(SPAPIError):
    """The wait for quota would exceed ``max_wait``; raised at once, nothing was sent.

    ``retry_after`` is the predicted wait in seconds.
    """


class DecodeError(SPAPIError):
    """A 2xx reply that cannot be decoded.

    Attributes:
        path: the place in the body, such as ``$.payload.Orders[3].PurchaseDate``.
        raw: the body as received. It may contain personal data, so it is in no message, repr or pickle.
        cursor: for a page of an iteration, the cursor with which this page is fetched again.
    """

    def __init__(
        self, message: str, *, path: str = "$", raw: bytes = b"", cursor: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.path = path
        self.raw = raw
        self.cursor = cursor

    def _picklable_state(self) -> Mapping[str, Any]:
        return {**self.__dict__, "raw": b""}


class DocumentError(SPAPIError):
    """A report, feed or query document could not be produced, fetched or read."""


class DocumentTruncatedError(DocumentError):
    """The document ended before it was complete."""


class DocumentUrlExpiredError(DocumentError):
    """The presigned URL is older than its lifetime (5 minutes for most documents)."""


class ReportCancelledError(DocumentError):
    """The report ended as CANCELLED: it was cancelled on request, or there was no data to return.

    Attributes:
        report_id: the report's id.
        asked_for: True if it was cancelled through this library, False if Amazon cancelled it (no data to return, or
            requested again too soon), None if that is not known.
    """

    def __init__(
        self, message: str, *, report_id: str | None = None, asked_for: bool | None = None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.report_id = report_id
        self.asked_for = asked_for


class ReportFatalError(DocumentError):
    """The report ended as FATAL: Amazon could not produce it.

    Attributes:
        report_id: the report's id.
        explanation: the text of the document that Amazon may supply instead; empty if there is none.
    """

    def __init__(self, message: str, *, report_id: str | None = None, explanation: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.report_id = report_id
        self.explanation = explanation


class FeedCancelledError(DocumentError):
    """The feed ended as CANCELLED: it was cancelled before Amazon began, so no message was processed.

    Attributes:
        feed_id: the feed's id.
    """

    def __init__(self, message: str, *, feed_id: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.feed_id = feed_id


class FeedFatalError(DocumentError):
    """The feed ended as FATAL: Amazon gave up; none or only some of its messages were processed.

    Attributes:
        feed_id: the feed's id.
        explanation: the text of the document that Amazon may supply instead of a result; empty if there is none.
    """

    def __init__(self, message: str, *, feed_id: str | None = None, explanation: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.feed_id = feed_id
        self.explanation = explanation


class QueryCancelledError(DocumentError):
    """The Data Kiosk query ended as CANCELLED: it was cancelled on request.

    Attributes:
        query_id: the query's id.
    """

    def __init__(self, message: str, *, query_id: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.query_id = query_id


class QueryFatalError(DocumentError):
    """The Data Kiosk query ended as FATAL: Amazon could not answer it.

    Attributes:
        query_id: the query's id.
        explanation: the text of its error document; empty if there is none.
    """

    def __init__(self, message: str, *, query_id: str | None = None, explanation: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.query_id = query_id
        self.explanation = explanation


class LeaseError(SPAPIError):
    """Another process works on the same seller's orders.

    Attributes:
        seller: the seller's name.
        stream: the seller's stream of orders that is leased.
    """

    def __init__(self, message: str, *, seller: str = "", stream: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.seller = seller
        self.stream = stream


class LeaseHeldError(LeaseError):
    """Another process holds the lease on the stream.

    Attributes:
        holder: that process: its host, its process id and a random token.
        expires_at: when its lease ends unless it is renewed; an aware datetime.
    """

    def __init__(self, message: str, *, holder: str = "", expires_at: datetime | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.holder = holder
        self.expires_at = expires_at


class LeaseLostError(LeaseError):
    """Another process has taken the stream over, because this one did not renew its lease; nothing was written."""


class ClosedError(SPAPIError):
    """The application (or its limiter) was closed before the call, or while the call waited."""


class SPAPIWarning(UserWarning):
    """Something that works but is probably a mistake; each warning is issued once."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequestError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
    422: UnprocessableError,
    429: QuotaExceededError,
}


def error_for_status(status: int) -> type[ApiError]:
    """The error class for a status outside 2xx."""
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, ApiError)
