"""Whether a failed call was refused to its seller, or failed because a service is down."""

from __future__ import annotations

from spapi_async.auth._lwa import is_transient
from spapi_async.errors import AuthError, ForbiddenError, QuotaExceededError, ServerError, TransportError

__all__ = ["is_outage", "refuses_seller"]


def refuses_seller(error: BaseException) -> bool:
    """Whether the seller's grant or permission is refused; an outage of Login with Amazon says nothing about it."""
    return isinstance(error, AuthError | ForbiddenError) and not is_transient(error)


def is_outage(error: BaseException) -> bool:
    """Whether Amazon could not be reached or failed, or had too many requests; Login with Amazon is part of Amazon."""
    return is_transient(error) or isinstance(error, TransportError | ServerError | QuotaExceededError)
