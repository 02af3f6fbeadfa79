"""A cancellation at any await of the Redis client loses neither the call nor a token, and the loop can end."""

import asyncio

import pytest
from fake_amazon import operation
from insides import link_of, task_of

from spapi_async import Priority, Region
from spapi_async._core.operation import UsagePlan
from spapi_async.credentials import Account, Grant
from spapi_async.ratelimit import RedisRateLimiter

SELLER = Account(Grant.refresh_token("app", "Atzr|a"), Region.NA)
STEPS = range(24)  # a quiet machine needs 19 until a call has its permit


def some_operation(rate: float = 1000, burst: int = 5) -> object:
    found = operation("things_v1.do_thing", "/things")
    return type(found)(
        **{**{f: getattr(found, f) for f in found.__struct_fields__}, "usage_plan": UsagePlan(rate=rate, burst=burst)}
    )


async def acquire(limiter: RedisRateLimiter, what: object) -> object:
    async with asyncio.timeout(10):
        return await limiter.acquire(what, SELLER, priority=Priority.NORMAL, max_wait=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", STEPS)
async def test_a_call_is_served_although_the_limiters_task_is_cancelled(redis_url: str, steps: int) -> None:
    """The task is cancelled after so many iterations of the loop; another one continues its work."""
    limiter, what = RedisRateLimiter(redis_url), some_operation()
    call = asyncio.create_task(acquire(limiter, what))
    for _ in range(steps):
        await asyncio.sleep(0)
    if (task := task_of(link_of(limiter))) is not None:
        task.cancel()
    permit = await call
    permit.observe(200, None)  # type: ignore[attr-defined]
    await limiter.aclose()


@pytest.mark.parametrize("steps", STEPS)
async def test_a_call_that_is_cancelled_leaves_its_token_to_the_next(redis_url: str, steps: int) -> None:
    """There is one token, and the next comes in an hour: the next call gets it."""
    limiter, what = RedisRateLimiter(redis_url), some_operation(rate=1 / 3600, burst=2)
    first = await acquire(limiter, what)
    call = asyncio.create_task(acquire(limiter, what))
    for _ in range(steps):
        await asyncio.sleep(0)
    call.cancel()
    outcome = (await asyncio.gather(call, return_exceptions=True))[0]
    if not isinstance(outcome, BaseException):
        outcome.release()  # type: ignore[attr-defined]
    await acquire(limiter, what)
    first.observe(200, None)  # type: ignore[attr-defined]
    await limiter.aclose()


@pytest.mark.parametrize("steps", STEPS)
def test_a_loop_that_ends_during_an_exchange_ends(redis_url: str, steps: int) -> None:
    """The limiter is not closed; the next loop begins anew and gets its token."""
    limiter, what = RedisRateLimiter(redis_url), some_operation()

    async def leave() -> None:
        asyncio.create_task(acquire(limiter, what))  # noqa: RUF006 - it is what is left behind
        for _ in range(steps):
            await asyncio.sleep(0)

    async def go_on() -> None:
        await acquire(limiter, what)
        await limiter.aclose()

    asyncio.run(leave())
    asyncio.run(go_on())


def test_a_loop_that_ends_before_the_connection_is_closed_leaves_a_limiter_that_works(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing is cut off, as on a machine that is slow just then; the next loop gets its token."""
    limiter, what = RedisRateLimiter(redis_url, timeout=5.0), some_operation(rate=1 / 3600)  # none is leased ahead

    async def leave() -> None:
        await acquire(limiter, what)
        store = link_of(limiter).store
        disconnect = store.disconnect

        async def slowly() -> None:
            await disconnect()
            await asyncio.sleep(3600)

        monkeypatch.setattr(store, "disconnect", slowly)

    async def go_on() -> None:
        await acquire(limiter, what)
        await limiter.aclose()

    asyncio.run(leave())
    monkeypatch.undo()
    asyncio.run(go_on())
