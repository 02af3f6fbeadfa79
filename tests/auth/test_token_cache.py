"""The token cache: concurrent callers share one fetch, however many give up and however it ends."""

import asyncio
import gc
import pickle
from typing import Any

import pytest
from insides import collect_silently
from virtual_time import VirtualClock, virtual_time

from spapi_async._core.options import CallOptions, Priority, call_options, current_options
from spapi_async.auth._cache import Retirement, TokenCache
from spapi_async.auth._token import Token
from spapi_async.credentials import Secret
from spapi_async.errors import ClosedError, LWAError


class Source:
    """Issues numbered tokens; fails with ``error`` while that is set."""

    def __init__(self, *, lifetime: float = 3600.0, latency: float = 1.0) -> None:
        self.clock = VirtualClock()
        self.lifetime = lifetime
        self.latency = latency
        self.error: Exception | None = None
        self.stale: list[str | None] = []
        self.options: list[CallOptions] = []
        self.cache: TokenCache[str] = TokenCache(self.fetch, clock=self.clock, max_entries=10)

    async def get(self, key: str) -> str:
        """The cache's token, as text for comparison."""
        return (await self.cache.get(key)).reveal()

    async def fetch(self, key: str, stale: Secret | None) -> Token:
        """Take ``latency`` seconds to issue the next token."""
        self.stale.append(stale.reveal() if stale else None)
        self.options.append(current_options())
        number, now = len(self.stale), self.clock.time()
        await asyncio.sleep(self.latency)
        if self.error:
            raise self.error
        return Token(f"{key}#{number}", issued_at=now, expires_at=now + self.lifetime)


@virtual_time
async def test_a_thousand_callers_cost_one_fetch() -> None:
    """Every caller during a fetch gets its token."""
    source = Source()
    tokens = await asyncio.gather(*(source.get("a") for _ in range(1000)))
    assert set(tokens) == {"a#1"}
    assert source.cache.statistics().fetched == 1


@pytest.mark.parametrize("cancel_at", range(6))
@pytest.mark.parametrize("victims", [(0,), (1,), (0, 1), (0, 1, 2)])
def test_cancelled_callers_leave_the_fetch_to_the_others(cancel_at: int, victims: tuple[int, ...]) -> None:
    """Neither the first caller nor the last one owns the fetch."""

    @virtual_time
    async def scenario() -> None:
        source = Source(latency=0.0)
        callers = [asyncio.create_task(source.get("a")) for _ in range(4)]
        for _ in range(cancel_at):
            await asyncio.sleep(0)
        done = {number for number in victims if callers[number].done()}
        for number in victims:
            callers[number].cancel()
        results = await asyncio.gather(*callers, return_exceptions=True)
        for number, result in enumerate(results):
            if number in victims and number not in done:
                assert isinstance(result, asyncio.CancelledError)
            else:
                assert result == "a#1"
        assert len(source.stale) == 1

    scenario()


@virtual_time
async def test_a_fetch_that_every_caller_left_still_fills_the_cache() -> None:
    """The token is not thrown away when the last caller gives up."""
    source = Source()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await source.get("a")
    await asyncio.sleep(1)
    assert await source.get("a") == "a#1"
    assert len(source.stale) == 1


@virtual_time
async def test_a_failure_reaches_every_waiter_as_an_error_of_its_own() -> None:
    """One failed fetch raises a separate error object for each caller."""
    source = Source()
    source.error = LWAError("no", code="invalid_grant", status=400)
    errors = await asyncio.gather(*(source.get("a") for _ in range(50)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 50
    assert {error.code for error in errors if isinstance(error, LWAError)} == {"invalid_grant"}
    assert len(source.stale) == 1


@virtual_time
async def test_a_failure_is_not_remembered() -> None:
    """The next caller tries again."""
    source = Source()
    source.error = LWAError("no", code="server_error")
    with pytest.raises(LWAError):
        await source.get("a")
    source.error = None
    assert await source.get("a") == "a#2"


def test_the_error_of_a_fetch_without_callers_is_not_logged() -> None:
    """Asyncio logs nothing when every caller has gone and the fetch then fails."""
    complaints: list[object] = []

    @virtual_time
    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        source = Source()
        source.error = LWAError("no", code="server_error")
        caller = asyncio.create_task(source.get("a"))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.sleep(5)
        assert source.cache.statistics().failed == 1

    scenario()
    gc.collect()
    assert complaints == []


@virtual_time
async def test_the_old_token_is_used_while_a_new_one_is_fetched() -> None:
    """Near its end a token is renewed once in the background, and no caller waits for that."""
    source = Source(latency=10.0)
    await source.get("a")
    await asyncio.sleep(3600 * 0.975)
    before = asyncio.get_running_loop().time()
    assert [await source.get("a") for _ in range(5)] == ["a#1"] * 5
    assert asyncio.get_running_loop().time() == before
    await asyncio.sleep(11)
    assert await source.get("a") == "a#2"
    assert source.stale == [None, "a#1"]


@virtual_time
async def test_early_renewal_is_spread_out() -> None:
    """Tokens fetched together are not renewed together: renewals lie between 3 and 6 % before the end."""
    source = Source(latency=0.0)
    source.cache = TokenCache(source.fetch, clock=source.clock, max_entries=1000)
    names = [str(number) for number in range(200)]
    for name in names:
        await source.get(name)
    due = []
    for share in (0.935, 0.95, 0.96, 0.975):
        await asyncio.sleep(3600 * share - asyncio.get_running_loop().time())
        for name in names:
            await source.get(name)
        await asyncio.sleep(0)
        due.append(len(source.stale) - 200)
    assert due[0] == 0
    assert 30 < due[1] < due[2] < 170
    assert due[3] == 200


@virtual_time
async def test_a_failed_renewal_is_raised_only_when_the_token_has_expired() -> None:
    """Until then the old token is used, and the renewal is tried again after a pause."""
    source = Source(latency=0.0)
    await source.get("a")
    source.error = LWAError("no", code="server_error")
    await asyncio.sleep(3600 * 0.975)
    for _ in range(10):
        assert await source.get("a") == "a#1"
        await asyncio.sleep(1)
    assert len(source.stale) == 2
    await asyncio.sleep(60)
    with pytest.raises(LWAError):
        await source.get("a")


@pytest.mark.parametrize("lifetime", [0.0, 1.0, 10.0, 900.0, 7200.0])
def test_no_token_is_used_after_it_expires(lifetime: float) -> None:
    """Very short lifetimes are kept, too."""

    @virtual_time
    async def scenario() -> None:
        source = Source(lifetime=lifetime, latency=0.0)
        assert await source.get("a") == "a#1"
        await asyncio.sleep(lifetime)
        assert await source.get("a") == "a#2"

    scenario()


@virtual_time
async def test_retiring_replaces_exactly_that_token() -> None:
    """Fifty callers that were refused with one token cause one fetch; a newer token stays."""
    source = Source()
    old = await source.get("a")
    assert source.cache.retire(Secret(old)) is Retirement.RETIRED
    assert source.cache.retire(Secret(old)) is Retirement.REPLACED
    assert await source.get("a") == "a#2"
    assert source.cache.retire(Secret(old)) is Retirement.REPLACED
    assert await source.get("a") == "a#2"
    assert source.stale == [None, "a#1"]


@virtual_time
async def test_a_replacement_refused_at_once_is_not_replaced_again() -> None:
    """A grant that Amazon refuses costs one more token a minute, not one a call."""
    source = Source()
    source.cache.retire(Secret(await source.get("a")))
    fresh = await source.get("a")
    assert source.cache.retire(Secret(fresh)) is Retirement.TOO_FRESH
    assert await source.get("a") == fresh
    await asyncio.sleep(61)
    assert source.cache.retire(Secret(fresh)) is Retirement.RETIRED


@virtual_time
async def test_a_token_of_another_source_is_not_retired() -> None:
    """The cache never held it."""
    source = Source()
    await source.get("a")
    assert source.cache.retire(Secret("b#1")) is Retirement.UNKNOWN


@virtual_time
async def test_a_token_of_two_keys_serves_one_when_the_other_is_dropped() -> None:
    """Report documents that were requested together share a token, and the oldest documents are dropped."""
    source = Source()
    now = source.clock.time()
    shared = Token("shared", issued_at=now, expires_at=now + 3600)
    source.cache.put("a", shared)
    source.cache.put("b", shared)
    for key in "cdefghijk":
        await source.get(key)
    assert (source.cache.current("a"), await source.get("b")) == (None, "shared")
    assert source.cache.retire(Secret("shared"), only="a") is Retirement.REPLACED
    assert source.cache.retire(Secret("shared")) is Retirement.RETIRED
    for key in "lmnopqrstu":
        await source.get(key)
    assert source.cache.retire(Secret("shared")) is Retirement.REPLACED


@virtual_time
async def test_no_renewal_begins_after_closing() -> None:
    """A call that is ending may still look for its token; a renewal would outlive the application."""
    source = Source()
    await source.get("a")
    await source.cache.aclose()
    await asyncio.sleep(3600 * 0.97)
    assert source.cache.cached("a") == Secret("a#1")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual_time
async def test_the_least_recently_used_token_goes_first() -> None:
    """The cache is bounded, and tokens in use stay."""
    source = Source(latency=0.0)
    for name in "abcdefghij":
        await source.get(name)
    await source.get("a")
    await source.get("k")
    assert await source.get("a") == "a#1"
    assert await source.get("b") == "b#12"
    assert source.cache.statistics().tokens == 10


@virtual_time
async def test_a_fetch_has_options_of_its_own() -> None:
    """The first caller's deadline and priority do not apply to the others."""
    source = Source(latency=0.0)
    with call_options(priority=Priority.BULK, max_wait=0.1, deadline=1.0, timeout=1.0, restricted=True):
        await source.get("a")
        assert current_options().max_wait == 0.1
    assert source.options == [CallOptions(priority=Priority.INTERACTIVE)]


@virtual_time
async def test_closing_ends_fetches_and_leaves_no_task() -> None:
    """Waiting and later callers get an error, and no task is left."""
    source = Source(latency=60.0)
    callers = [asyncio.create_task(source.get(name)) for name in "aab"]
    await asyncio.sleep(0.1)
    await source.cache.aclose()
    assert asyncio.all_tasks() <= {asyncio.current_task(), *callers}  # the fetches have ended when it returns
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [ClosedError] * 3
    with pytest.raises(ClosedError, match="closed"):
        await source.get("c")
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual_time
async def test_closing_before_a_fetch_has_begun_is_an_error_too() -> None:
    """A fetch that is cancelled before its first step does not look like the caller's own cancellation."""
    source = Source()
    caller = asyncio.create_task(source.get("a"))
    await asyncio.sleep(0)
    await source.cache.aclose()
    with pytest.raises(ClosedError, match="closed"):
        await caller


def test_a_token_is_neither_shown_nor_pickled() -> None:
    """Its repr hides it."""
    token = Token("MARK", issued_at=0, expires_at=1)
    assert "MARK" not in repr(token)
    with pytest.raises(TypeError):
        pickle.dumps(token)


@virtual_time
async def test_a_replacement_that_has_expired_is_replaced_again() -> None:
    """It was refused because of its age, however short it lived."""
    source = Source(lifetime=5.0, latency=0.0)
    for _ in range(3):
        token = await source.get("a")
        await asyncio.sleep(4.99)
        assert source.cache.retire(Secret(token)) is Retirement.RETIRED


def test_a_fetch_that_an_ended_loop_left_is_started_again() -> None:
    """One ``asyncio.run`` ends before the fetch has begun, and a second one uses the same application."""
    source = Source(latency=0.0)

    async def leave_at_once() -> None:
        source.cache.start_flight("a").cancel()

    asyncio.run(leave_at_once())
    assert asyncio.run(source.get("a")) == "a#1"


@pytest.mark.parametrize(("lifetime", "margin"), [(60.0, 0.6), (900.0, 9.0), (7200.0, 30.0)])
@virtual_time
async def test_a_token_is_used_until_shortly_before_its_end(lifetime: float, margin: float) -> None:
    """The margin is a hundredth of its life, half a minute at most; renewals keep failing meanwhile."""
    source = Source(lifetime=lifetime, latency=0.0)
    assert await source.get("a") == "a#1"
    source.error = LWAError("down", code="server_error")
    await asyncio.sleep(lifetime - margin - 0.05)
    assert await source.get("a") == "a#1"
    await asyncio.sleep(0.1)
    with pytest.raises(LWAError):
        await source.get("a")


@virtual_time
async def test_a_rejected_token_is_replaced_unless_it_replaced_a_rejected_one() -> None:
    """One that replaced an expired token is replaced."""
    source = Source()
    await source.get("a")
    await asyncio.sleep(3600)
    assert await source.get("a") == "a#2"
    assert source.cache.retire(Secret("a#2")) is Retirement.RETIRED
    assert await source.get("a") == "a#3"
    assert source.cache.retire(Secret("a#3")) is Retirement.TOO_FRESH


def test_a_fetch_of_a_dead_loop_does_not_end_one_of_a_later_loop() -> None:
    """Its coroutine may be collected, and so closed, in the middle of another loop."""
    source = Source(latency=1.0)
    loop, later = asyncio.new_event_loop(), asyncio.new_event_loop()
    abandoned = loop.create_task(source.get("a"))
    loop.run_until_complete(asyncio.sleep(0.01))
    (flight,) = source.cache.flights.values()
    coroutine = flight.get_coro()
    assert coroutine is not None

    async def go_on() -> list[str]:
        first = asyncio.create_task(source.get("a"))
        await asyncio.sleep(0.01)
        coroutine.close()
        return list(await asyncio.gather(first, source.get("a")))

    assert later.run_until_complete(go_on()) == ["a#2", "a#2"]
    later.close()
    tasks: list[Any] = [abandoned, flight]
    for task in tasks:
        collect_silently(task)
    loop.close()


@virtual_time
async def test_a_clock_that_is_set_back_keeps_no_expired_token() -> None:
    """It goes back by ten hours after a token was replaced; when that one is refused an hour later, it is replaced."""
    source = Source()
    source.cache.retire(await source.cache.get("a"))
    replacement = await source.cache.get("a")
    assert source.cache.retire(replacement) is Retirement.TOO_FRESH
    source.clock.epoch -= 36_000
    assert source.cache.retire(replacement) is Retirement.TOO_FRESH
    await asyncio.sleep(3600)
    assert source.cache.retire(replacement) is Retirement.RETIRED
    assert await source.get("a") == "a#3"
