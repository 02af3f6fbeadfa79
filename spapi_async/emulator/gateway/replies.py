"""Replies, and refusals in Amazon's own words.

Bodies, header names and the headers' shapes follow recorded exchanges: a gateway error is pretty-printed with two
spaces, carries ``X-Amzn-ErrorType`` and no rate limit; a service's 404 carries the rate limit and no error type.
In the ``details`` of Amazon's body, a refusal also says why this emulator refused the request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from spapi_async.emulator.gateway.ids import new_uuid

__all__ = [
    "Refusal",
    "Reply",
    "bad_input",
    "encode",
    "expired_token",
    "fault_reply",
    "gateway_headers",
    "missing_token",
    "no_such_operation",
    "not_found",
    "not_permitted",
    "revoked_token",
    "throttled",
]

RATE_HEADER = "x-amzn-RateLimit-Limit"
# Amazon sends the rate limit only with these statuses, and not always.
RATE_STATUSES = frozenset({200, 201, 202, 204, 207, 400, 404})
DENIED = "Access to requested resource is denied."

_encoder = msgspec.json.Encoder(decimal_format="string")
encode = _encoder.encode


class Reply:
    """A reply before it becomes HTTP.

    ``gateway``: made before the request reached a service. ``bare``: without any of Amazon's headers. ``stream``: the
    pieces of the body, ``length`` bytes in all, in place of ``body``.
    """

    __slots__ = ("bare", "body", "gateway", "headers", "length", "status", "stream")

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        gateway: bool = False,
        bare: bool = False,
        stream: Iterator[bytes] | None = None,
        length: int = 0,
    ) -> None:
        self.body = body
        self.stream = stream
        self.length = length
        self.status = status
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.gateway = gateway
        self.bare = bare

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        """A reply whose body is ``value`` as JSON."""
        return cls(encode(value), status)


class Refusal(Exception):  # noqa: N818  always turned into a reply
    """A refused request, with all that the reply needs."""

    def __init__(
        self, status: int, code: str, message: str | None, details: str = "", *, error_type: str | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message} {details}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.error_type = error_type

    def reply(self) -> Reply:
        """The refusal as a reply; one with an error type comes from the gateway."""
        body = error_body(self.code, self.message, self.details)
        headers = {"X-Amzn-ErrorType": self.error_type} if self.error_type else None
        return Reply(body, self.status, headers, gateway=self.error_type is not None)


def error_body(code: str, message: str | None, details: str = "") -> bytes:
    """Amazon's error object, pretty-printed as its gateway prints it."""
    return json.dumps({"errors": [{"code": code, "message": message, "details": details}]}, indent=2).encode()


def bad_input(message: str, details: str = "", *, code: str = "InvalidInput") -> Refusal:
    """400: an argument is missing or not acceptable."""
    return Refusal(400, code, message, details)


def invalid_query(details: str) -> Refusal:
    """400 of the gateway, whose message is null."""
    return Refusal(400, "InvalidInput", None, details, error_type="InvalidQueryStringException")


def not_found(message: str, details: str = "") -> Refusal:
    """404 of a service."""
    return Refusal(404, "NotFound", message, details)


def missing_token() -> Refusal:
    """403: no ``x-amz-access-token``."""
    return _denied("Access token is missing in the request header.")


def revoked_token() -> Refusal:
    """403: a token that the emulator never issued, or has revoked."""
    return _denied("The access token you provided is revoked, malformed or invalid.")


def expired_token() -> Refusal:
    """403: a token past its lifetime."""
    return _denied("The access token you provided has expired.")


def not_permitted(details: str = "") -> Refusal:
    """403: a valid token that does not grant access to this resource."""
    return _denied(details)


def _denied(details: str) -> Refusal:
    return Refusal(403, "Unauthorized", DENIED, details, error_type="AccessDeniedException")


def throttled(details: str = "", level: str = "") -> Refusal:
    """429: no token left in a bucket; without Retry-After and rate limit, because no recorded 429 has them.

    For listings Amazon names the limit (``level``): "the application", "relationships", "product data".
    """
    message = "You exceeded your quota for the requested resource."
    if level:
        message = f"The frequency of requests was greater than what is allowed for {level}."
    return Refusal(
        429,
        "QuotaExceeded",
        message,
        details,
        error_type="TooManyRequestsException",
    )


def no_such_operation(method: str, path: str) -> Reply:
    """An unknown path gets 403 without content type, request id or gateway id."""
    body = error_body("Unauthorized", DENIED, f"no operation {method} {path}")
    return Reply(body, 403, gateway=True, bare=True)


_FAULTS = {
    400: ("InvalidInput", "Invalid Input", None),
    401: ("Unauthorized", "Access to requested resource is denied.", "AccessDeniedException"),
    403: ("Unauthorized", DENIED, "AccessDeniedException"),
    404: ("NotFound", "The resource specified does not exist.", None),
    429: ("QuotaExceeded", "You exceeded your quota for the requested resource.", "TooManyRequestsException"),
    500: ("InternalFailure", "We encountered an internal error. Please try again.", None),
    503: ("ServiceUnavailable", "Service is temporarily unavailable. Please try again later.", None),
}


def fault_reply(status: int, body: Any) -> Reply:
    """An injected fault's reply; ``body`` is ``json`` (Amazon's error), ``html`` (a page), ``empty``, or any value."""
    code, message, error_type = _FAULTS.get(status, ("InternalFailure", f"Injected fault {status}", None))
    headers = {"X-Amzn-ErrorType": error_type} if error_type else None
    if body in (None, "json"):
        return Reply(error_body(code, message, ""), status, headers, gateway=status >= 400)
    if body == "html":
        page = f"<html><head><title>{status}</title></head><body><h1>{status} injected fault</h1></body></html>"
        return Reply(page.encode(), status, {"Content-Type": "text/html"}, gateway=True)
    if body == "empty":
        return Reply(b"", status, headers, gateway=True)
    raw = body.encode() if isinstance(body, str) else encode(body)
    return Reply(raw, status, headers, gateway=True)


def gateway_headers(now: float) -> dict[str, str]:
    """The headers of one reply; their ids derive from one another as in recordings of 2024 and 2025."""
    request_id = new_uuid()
    digits = request_id.replace("-", "")
    return {
        "Server": "Server",
        "Content-Type": "application/json",
        "X-Amz-Rid": digits[:20].upper(),
        "x-amzn-RequestId": request_id,
        "x-amz-apigw-id": "OPF" + digits[:12],
        "X-Amzn-Trace-Id": f"Root=1-{int(now):08x}-{digits[:16]}",
        "Vary": "Content-Type,Accept-Encoding,User-Agent",
        "Strict-Transport-Security": "max-age=47474747; includeSubDomains; preload",
    }
