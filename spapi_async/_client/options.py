"""The options of an application, as a type for functions that pass them on."""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypedDict

from spapi_async._core.clock import Clock
from spapi_async._core.events import Observer
from spapi_async._core.journal import RunStore
from spapi_async._core.limiter import RateLimiter
from spapi_async._core.plan_rules import PlanRule
from spapi_async._engine.retry import RetryPolicy
from spapi_async._engine.transport import Timeout

if TYPE_CHECKING:
    from spapi_async.auth import TokenStore

__all__ = ["ApplicationOptions"]


class ApplicationOptions(TypedDict, total=False):
    """The keyword arguments of :class:`spapi_async.Application`, for editors and type checkers."""

    endpoint: str | None
    sandbox: bool
    limiter: RateLimiter | None
    plan_rules: Iterable[PlanRule]
    tokens: TokenStore | None
    journal: RunStore | None
    retry: RetryPolicy | None
    timeout: Timeout | float | None
    decoding: Literal["lenient", "strict"]
    user_agent: str | None
    observers: Iterable[Observer]
    connections: int
    max_reply_size: int
    proxy: str | None
    ssl: ssl_module.SSLContext | None
    trust_env: bool
    clock: Clock | None
