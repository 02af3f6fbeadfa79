"""The base class of all errors: the root of the tree that ``spapi_async.errors`` draws."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["ErrorDetail", "SPAPIError"]


class ErrorDetail(msgspec.Struct, frozen=True):
    """One entry of Amazon's ``errors`` list. Amazon may leave out or null any of the three fields."""

    code: str = ""
    message: str = ""
    details: str = ""


class SPAPIError(Exception):
    """Base of every error raised by this library.

    Attributes:
        operation: ``"orders_v0.get_order"``, or None outside a call.
        request_id: Amazon's ``x-amzn-RequestId``.
        status: HTTP status of the reply.
        headers: the reply's headers, looked up in any case; without cookies and others that could contain a secret.
        rate_limit: requests per second, from ``x-amzn-RateLimit-Limit``.
        retry_after: seconds after which the same call may succeed.
        attempts: how many requests were sent.
        request: the request's method, path template and parameter names, without values.
        occurred_at: when the error was raised, in seconds since the epoch.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        rate_limit: float | None = None,
        retry_after: float | None = None,
        attempts: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.request_id = request_id
        self.status = status
        self.headers: Mapping[str, str] = {} if headers is None else headers
        self.rate_limit = rate_limit
        self.retry_after = retry_after
        self.attempts = attempts
        self.request: str | None = None
        self.occurred_at: float | None = None

    def __str__(self) -> str:
        lead = self.operation or ""
        if self.request_id:
            lead = f"{lead} [{self.request_id}]".strip()
        return f"{lead}: {self.message}" if lead else self.message

    def support_case(self) -> str:
        """The facts that Amazon's developer support asks for, as a text for a case; no secret and no personal data."""
        moment = self.occurred_at
        facts = {
            "Operation": self.operation,
            "Request": self.request,
            "Request id": self.request_id,
            "Time": None if moment is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)),
            "HTTP status": self.status,
            "Date header": self.headers.get("date"),
            "Rate limit header": self.headers.get("x-amzn-ratelimit-limit"),
            "Requests sent": self.attempts,
            "Error": f"{type(self).__name__}: {self.message}",
        }
        return "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        # The default protocol would call __init__ with args only and lose the keyword-only facts.
        return _rebuild, (type(self), self.args, self._picklable_state())

    def _picklable_state(self) -> Mapping[str, Any]:
        return dict(self.__dict__)


def _rebuild(cls: type[SPAPIError], args: tuple[Any, ...], state: Mapping[str, Any]) -> SPAPIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


ErrorDetail.__module__ = SPAPIError.__module__ = __name__.replace("_error_base", "errors")  # the public module
