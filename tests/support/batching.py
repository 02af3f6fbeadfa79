"""A seller whose calls go through a real limiter to a simulated catalogue of numbers: for look-ups in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from simulated import ReferenceBucket
from virtual_time import VirtualClock

from spapi_async._core.events import Observers
from spapi_async._core.operation import Operation, UsagePlan
from spapi_async._core.options import current_options
from spapi_async._core.resources import Resources
from spapi_async.credentials import Account, Grant
from spapi_async.errors import ApiError, BadRequestError, NotFoundError, QuotaExceededError, SPAPIError
from spapi_async.marketplaces import Marketplace, Region
from spapi_async.ratelimit import LocalRateLimiter
from spapi_async.workflows.lookups import LookUps, Rule, item_error

__all__ = ["BATCH", "SINGLE", "Numbers", "NumbersSeller", "numbers_rule", "resources"]

BATCH: Operation[Any] = Operation(
    name="numbers_v1.get_numbers", id="getNumbers", method="GET", path="/", usage_plan=UsagePlan(rate=2, burst=2)
)
SINGLE: Operation[Any] = Operation(
    name="numbers_v1.get_number", id="getNumber", method="GET", path="/", usage_plan=UsagePlan(rate=2, burst=2)
)


class _Reply(NamedTuple):
    body: Any
    status: int = 200
    request_id: str | None = "r"
    violations: tuple[object, ...] = ()
    raw: bytes = b""


class Sent(NamedTuple):
    """A request that reached Amazon."""

    at: float
    operation: str
    keys: tuple[int, ...]
    priority: int


class NumbersSeller:
    """Knows the even numbers.

    Refuses a whole batch for any of ``bad``; answers 429 so many times for each of ``busy``; ``gone``: its grant is
    revoked. ``latency`` is in seconds each way.
    """

    def __init__(
        self,
        *,
        bad: Sequence[int] = (),
        busy: Mapping[int, int] | None = None,
        gone: SPAPIError | None = None,
        latency: float = 0.05,
        name: str = "one",
        limiter: LocalRateLimiter | None = None,
    ) -> None:
        self.bad = frozenset(bad)
        self.busy = dict(busy or {})
        self.gone = gone
        self.latency = latency
        self.marketplace = Marketplace.US
        self.seller_id = name
        self.sent: list[Sent] = []
        self.throttled = 0
        self._account = Account(Grant.refresh_token("app", f"Atzr|{name}"), Region.NA)
        self._limiter = limiter or LocalRateLimiter(clock=VirtualClock())
        self._buckets: dict[str, ReferenceBucket] = {}

    @property
    def key(self) -> str:
        return self._account.key

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        return self._limiter.forecast(operation, self._account, arguments, count=count)

    async def fetch(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        return (await self.call(operation, **arguments)).body

    async def call(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        options = current_options()
        permit = await self._limiter.acquire(
            operation, self._account, priority=options.priority, max_wait=options.max_wait
        )
        now = asyncio.get_running_loop().time()
        self.sent.append(Sent(now, operation.name, tuple(arguments["numbers"]), options.priority))
        try:
            await asyncio.sleep(self.latency)
            bucket = self._buckets.get(operation.name)
            now = asyncio.get_running_loop().time()
            if bucket is None:
                plan = operation.usage_plan
                bucket = self._buckets[operation.name] = ReferenceBucket(plan.rate, plan.burst, now)
            served = bucket.take(now)
            await asyncio.sleep(self.latency)
        except BaseException:
            permit.observe(None, None)
            raise
        permit.observe(200 if served else 429, None)
        if not served:
            self.throttled += 1
            raise QuotaExceededError("throttled", status=429)
        return self._answer(operation, arguments["numbers"])

    def _answer(self, operation: Operation[Any], numbers: Sequence[int]) -> _Reply:
        if self.gone is not None:
            raise self.gone
        if self.bad.intersection(numbers):
            raise BadRequestError("HTTP 400, InvalidInput: a number is bad", operation=operation.name, status=400)
        if operation is SINGLE:
            if numbers[0] % 2:
                raise NotFoundError("HTTP 404", operation=operation.name, status=404)
            return _Reply(numbers[0] * 10)
        return _Reply([self._entry(number) for number in numbers if number % 2 == 0])

    def _entry(self, number: int) -> tuple[int, ApiError | None]:
        if self.busy.get(number, 0) > 0:
            self.busy[number] -= 1
            return number, item_error(BATCH, 429, ())
        return number, None


def numbers_rule(
    *, maximum: int = 20, spare: bool = True, single: bool = True, rate: float = 2, burst: int = 2
) -> Rule[Any, int]:
    """Even numbers exist, and the value of one is ten times itself; negative numbers cannot be put into a batch."""
    batch = BATCH
    if (rate, burst) != (2, 2):
        batch = Operation(
            name=BATCH.name, id=BATCH.id, method="GET", path="/", usage_plan=UsagePlan(rate=rate, burst=burst)
        )
    return Rule(
        name="numbers",
        batch=batch,
        maximum=maximum,
        arguments=lambda _, keys: {"numbers": keys},
        answers=lambda _, __, body: [(key, key * 10 if isinstance(key, int) else key, error) for key, error in body],
        entries=((), ()),
        single=(lambda _: SINGLE) if single else None,
        single_arguments=lambda _, key: {"numbers": [key]},
        spare=spare,
        fits=lambda key: key >= 0,
    )


def resources() -> Resources:
    """What an application passes to a workflow, without connections."""
    return Resources(None, Observers(()), VirtualClock(), {})  # type: ignore[arg-type]


class Numbers(LookUps):
    """The workflow under test."""

    __slots__ = ("rule",)

    def __init__(self, seller: Any, *others: Any, rule: Rule[Any, int] | None = None, shared: Any = None) -> None:
        super().__init__(seller, shared or resources(), *others)
        self.rule = rule or numbers_rule()

    async def get(self, number: int) -> int:
        """Ten times the number."""
        return await self._ask(self.rule, None, number)  # type: ignore[no-any-return]
