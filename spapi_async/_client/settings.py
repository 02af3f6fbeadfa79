"""What an application is made of, checked before it is made: environment variables, regions, numbers, a proxy's URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from spapi_async._core.endpoints import split_url
from spapi_async._engine.retry import RetryPolicy
from spapi_async._engine.transport import Timeout
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

__all__ = [
    "check_connections",
    "check_proxy",
    "checked_retry",
    "checked_timeout",
    "choose_region",
    "read_environment",
]


def read_environment(environ: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """The values of these variables.

    Raises:
        ConfigurationError: some are missing or blank; all of them are named at once.
    """
    values = [environ.get(name, "").strip() for name in names]
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if len(missing) == 1:
        raise ConfigurationError(f"environment variable {missing[0]} is not set")
    if missing:
        raise ConfigurationError(f"environment variables {', '.join(missing[:-1])} and {missing[-1]} are not set")
    return values


def choose_region(region: Region | str | None, marketplace: Marketplace | str | None) -> Region:
    """The region that is named, or the marketplace's.

    Raises:
        ConfigurationError: neither is, it is unknown, or they contradict one another.
    """
    place = None if marketplace is None else Marketplace.parse(marketplace)
    if region is None:
        if place is None:
            raise ConfigurationError("give a region or a marketplace")
        return place.region
    chosen = Region.parse(region)
    if place is not None and place.region is not chosen:
        raise ConfigurationError(f"marketplace {place.name} belongs to region {place.region.name}, not {chosen.name}")
    return chosen


def checked_timeout(timeout: Timeout | float | None) -> Timeout | None:
    """The bounds of an exchange; a number is the total."""
    if isinstance(timeout, int | float):
        timeout = Timeout(total=timeout)
    if timeout is None:
        return None
    if not isinstance(timeout, Timeout):
        raise ConfigurationError(f"timeout must be a Timeout or seconds, not {type(timeout).__name__}")
    for name, seconds in msgspec.structs.asdict(timeout).items():
        if not (seconds is None and name == "read") and not _positive(seconds):
            raise ConfigurationError(f"timeout: {name} must be more than zero seconds, not {seconds!r}")
    return timeout


def checked_retry(retry: RetryPolicy | None) -> RetryPolicy:
    """The retry policy, or the usual one."""
    if not isinstance(retry, RetryPolicy | None):
        raise ConfigurationError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
    return retry or RetryPolicy()


def check_connections(connections: int) -> None:
    """Refuse what aiohttp would take for no limit at all."""
    if not isinstance(connections, int) or connections < 1:
        raise ConfigurationError(f"connections must be 1 or more, not {connections!r}")


def check_proxy(proxy: str | None) -> None:
    """Refuse here what would look like an unreachable Amazon later."""
    if proxy is not None and split_url(proxy) is None:
        # Not the text itself: it may hold a password.
        raise ConfigurationError("proxy must be like http://[user:password@]host[:port]")


def _positive(seconds: Any) -> bool:
    return isinstance(seconds, int | float) and seconds > 0
