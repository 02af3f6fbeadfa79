"""Whether an error says that a seller cannot make a call, now or later."""

from __future__ import annotations

from spapi_async.auth._lwa import is_transient
from spapi_async.errors import AuthError, ForbiddenError

__all__ = ["refuses_seller"]


def refuses_seller(error: BaseException) -> bool:
    """Whether the seller's grant or permission is refused; an outage of Login with Amazon says nothing about it."""
    return isinstance(error, AuthError | ForbiddenError) and not is_transient(error)
