"""Tokens: access tokens from Login with Amazon, restricted data tokens, consent and secret rotation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spapi_async.auth._authenticator import Authenticator, AuthStatistics, DelegatedToken
from spapi_async.auth._authorization import (
    Authorization,
    Consent,
    appstore_url,
    authorization_url,
    new_state,
    read_redirect,
    verify_state,
)
from spapi_async.auth._cache import CacheStatistics
from spapi_async.auth._rdt import RestrictedResource, restricted_resource
from spapi_async.auth._report_types import RESTRICTED_REPORT_TYPES
from spapi_async.auth._secret_rotation import ClientSecretExpiry, NewClientSecret, parse_secret_notification
from spapi_async.auth._store import MemoryTokenStore, TokenStore

if TYPE_CHECKING:
    from spapi_async.auth._redis_store import RedisTokenStore

__all__ = [
    "RESTRICTED_REPORT_TYPES",
    "AuthStatistics",
    "Authenticator",
    "Authorization",
    "CacheStatistics",
    "ClientSecretExpiry",
    "Consent",
    "DelegatedToken",
    "MemoryTokenStore",
    "NewClientSecret",
    "RedisTokenStore",
    "RestrictedResource",
    "TokenStore",
    "appstore_url",
    "authorization_url",
    "new_state",
    "parse_secret_notification",
    "read_redirect",
    "restricted_resource",
    "verify_state",
]


def __getattr__(name: str) -> Any:
    # On first use: redis and cryptography belong to an extra, and cost time to import.
    if name == "RedisTokenStore":
        from spapi_async.auth._redis_store import RedisTokenStore

        globals()[name] = RedisTokenStore
        return RedisTokenStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
