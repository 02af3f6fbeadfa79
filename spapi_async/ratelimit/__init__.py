"""The scheduler around every call (theory to come)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spapi_async.ratelimit._base import LimitSnapshot, Permit, RateLimiter
from spapi_async.ratelimit._local import LocalRateLimiter

if TYPE_CHECKING:
    from spapi_async.ratelimit._redis import RedisRateLimiter

__all__ = ["LimitSnapshot", "LocalRateLimiter", "Permit", "RateLimiter", "RedisRateLimiter"]


def __getattr__(name: str) -> Any:
    if name == "RedisRateLimiter":  # redis is an extra, and slow to import
        from spapi_async.ratelimit._redis import RedisRateLimiter

        return RedisRateLimiter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
