"""Checks the URL of a Redis before anything connects, and removes the parts that may not be shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from spapi_async.errors import ConfigurationError

__all__ = ["address_of"]


def address_of(url: object) -> str:
    """The URL without user, password and options.

    Raises:
        ConfigurationError: it cannot be the URL of a Redis; the message shows no part of it.
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ConfigurationError("the Redis URL is not valid") from None
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ConfigurationError("the Redis URL must begin with redis://, rediss:// or unix://")
    return f"{parts.scheme}://{host}{port}{parts.path}"
