"""The health of an application's parts when they were last used, and a probe that sends requests."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio

from spapi_async._core.endpoints import Endpoints
from spapi_async._core.health import Part
from spapi_async._core.limiter import RateLimiter
from spapi_async._engine.transport import SessionPool
from spapi_async.errors import SPAPIError
from spapi_async.marketplaces import Region

__all__ = ["amazon_part", "limiter_part", "lwa_part", "probe_hosts"]

_LWA = "lwa"
_SERVER_ERROR = 500
_PROBE_TIMEOUT = 5.0  # seconds


def limiter_part(limiter: RateLimiter) -> Part:
    """The rate limiter: one that shares quota fails if its store does; one in this process never fails."""
    is_down = getattr(limiter, "store_is_down", None)
    if is_down is None:
        return Part(ok=True, detail="in this process")
    down = is_down()
    return Part(ok=not down, detail="the store is away" if down else "the store answers")


def lwa_part(pool: SessionPool) -> Part:
    """Login with Amazon."""
    return _part(pool, _LWA) or Part(ok=None, detail="not asked yet")


def amazon_part(pool: SessionPool) -> dict[str, Part]:
    """The regions that have been sent a request."""
    return {region.value: part for region in Region if (part := _part(pool, region.endpoint)) is not None}


def _part(pool: SessionPool, key: str) -> Part | None:
    heard = pool.last_outcomes.get(key)
    if heard is None:
        return None
    at, outcome = heard
    if isinstance(outcome, int):
        return Part(ok=outcome < _SERVER_ERROR, at=at, detail=f"answered {outcome}")
    return Part(ok=False, at=at, detail=outcome)


async def probe_hosts(pool: SessionPool, endpoints: Endpoints) -> None:
    """Send a request without a token to the hosts used before: any reply shows that the host is reachable."""
    used = [region for region in Region if region.endpoint in pool.last_outcomes]
    urls = {region.endpoint: endpoints.api(region) + "/" for region in used or [Region.NA]} | {_LWA: endpoints.lwa}

    async def probe(key: str, url: str) -> None:
        try:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            await pool.exchange("GET", url, headers={"x-amz-date": stamp}, timeout=_PROBE_TIMEOUT, session_key=key)
        except SPAPIError:
            pass  # the pool has recorded it

    async with anyio.create_task_group() as group:
        for key, url in urls.items():
            group.start_soon(probe, key, url)
