"""Login with Amazon is unreachable: calls fail at once, and one at a time tries whether it answers again."""

import asyncio

import pytest
from direct import HandClock
from fake_amazon import PLAIN, FakeAmazon, account, authenticator, lwa_error, request
from virtual_time import virtual_time

from spapi_async.auth._breakdown import FIRST_PAUSE, TRIPS_AFTER, Breakdown
from spapi_async.credentials import Secret
from spapi_async.errors import ConnectionFailedError, LWAError

DOWN = lwa_error(503, "server_error")


def tokens_of(names: str, auth: object) -> list[object]:
    return [auth.token(PLAIN, account(name), request()) for name in names]  # type: ignore[attr-defined]


@virtual_time
async def test_calls_fail_at_once_while_lwa_is_unreachable() -> None:
    """Two calls gave up before; the error says for how long, and no request is made meanwhile."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    amazon.script = [DOWN] * 8
    await asyncio.gather(*tokens_of("ab", auth), return_exceptions=True)  # type: ignore[call-overload]
    asked, now = len(amazon.forms), asyncio.get_running_loop().time()
    with pytest.raises(LWAError, match=r"2 times in a row.*next try is in \d") as caught:
        await auth.token(PLAIN, account("c"), request())
    assert (len(amazon.forms), asyncio.get_running_loop().time()) == (asked, now)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 1


@virtual_time
async def test_one_call_at_a_time_tries_whether_lwa_is_back() -> None:
    """Of twenty calls after the pause one sends a request; once it has a token, the others get theirs."""
    amazon = FakeAmazon(latency=1)
    auth = authenticator(amazon)
    amazon.script = [DOWN] * 8
    await asyncio.gather(*tokens_of("ab", auth), return_exceptions=True)  # type: ignore[call-overload]
    await asyncio.sleep(1)
    outcomes = await asyncio.gather(*tokens_of("cdefghijklmnopqrstuv", auth), return_exceptions=True)  # type: ignore[call-overload]
    assert [type(outcome) for outcome in outcomes] == [str] + [LWAError] * 19
    assert all("one call is trying now" in str(outcome) for outcome in outcomes[1:])
    assert await auth.token(PLAIN, account("z"), request()) == "Atza|Atzr|z#1"


@virtual_time
async def test_a_probe_that_fails_doubles_the_pause() -> None:
    """A broken endpoint is tried less and less often, but at least every half minute."""
    amazon = FakeAmazon(latency=0)
    auth = authenticator(amazon, retry_delays=())
    amazon.script = [DOWN] * 40
    for _ in range(1000):
        with pytest.raises(LWAError):
            await auth.token(PLAIN, account("a"), request())
        await asyncio.sleep(0.5)
    assert 18 <= len(amazon.forms) <= 24  # 2 and then after 1, 2, 4, 8, 16, 30, 30 ... seconds


@virtual_time
async def test_a_revoked_grant_does_not_count_as_a_breakdown() -> None:
    """``invalid_grant`` shows that Login with Amazon works."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    amazon.script = [lwa_error(400, "invalid_grant")] * 3
    await asyncio.gather(*tokens_of("abc", auth), return_exceptions=True)  # type: ignore[call-overload]
    assert await auth.token(PLAIN, account("d"), request()) == "Atza|Atzr|d#1"


@virtual_time
async def test_another_call_tries_after_a_cancelled_one() -> None:
    """The cancelled call has shown nothing."""
    amazon = FakeAmazon(latency=5)
    auth = authenticator(amazon, retry_delays=())
    amazon.script = [DOWN] * 2
    await asyncio.gather(*tokens_of("ab", auth), return_exceptions=True)  # type: ignore[call-overload]
    await asyncio.sleep(1)
    probe = asyncio.create_task(auth.access.get(account("c").grant))
    await asyncio.sleep(1)
    auth.access.cache.flights[account("c").grant].cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert await auth.token(PLAIN, account("d"), request()) == "Atza|Atzr|d#1"


@virtual_time
async def test_tokens_are_fetched_ahead_a_few_at_a_time() -> None:
    """Forty-five sellers' tokens are fetched ten at once, each once; the calls that follow fetch none."""
    amazon = FakeAmazon(latency=1)
    auth = authenticator(amazon)
    names = [f"s{number}" for number in range(45)]
    await auth.warm_up([account(name) for name in names] * 2)
    assert asyncio.get_running_loop().time() == 5
    assert await auth.token(PLAIN, account("s7"), request()) == "Atza|Atzr|s7#1"
    assert len(amazon.forms) == 45


@virtual_time
async def test_warming_up_tries_every_seller_before_it_fails() -> None:
    """It raises the first error, with a note of how many more there were; the others have their tokens."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    amazon.script = [lwa_error(400, "invalid_grant")] * 2
    with pytest.raises(LWAError, match="invalid_grant") as caught:
        await auth.warm_up([account(name) for name in "abcdef"])
    assert caught.value.__notes__ == ["1 more tokens could not be fetched"]
    assert auth.statistics().access.tokens == 4


@virtual_time
async def test_a_new_client_secret_is_tried_at_once() -> None:
    """The calls do not wait for the next attempt."""
    amazon = FakeAmazon()
    auth = authenticator(amazon)
    amazon.script = [lwa_error(401, "invalid_client")] * 2
    await asyncio.gather(*tokens_of("ab", auth), return_exceptions=True)  # type: ignore[call-overload]
    with pytest.raises(LWAError, match="2 times in a row"):
        await auth.token(PLAIN, account("c"), request())
    auth.replace_client_secret(Secret("new"))
    assert await auth.token(PLAIN, account("c"), request())


def test_a_call_that_an_earlier_loop_left_keeps_no_other_from_trying() -> None:
    """Nor does one of the parent process in a forked child: that call may never end here."""
    clock = HandClock()
    breakdown = Breakdown(clock)

    async def tries() -> bool:
        return breakdown.check()

    for _ in range(TRIPS_AFTER):
        breakdown.ended(LWAError("down", code="server_error", status=503), probe=False)
    clock.now = FIRST_PAUSE
    loop, later = asyncio.new_event_loop(), asyncio.new_event_loop()
    assert loop.run_until_complete(tries())
    with pytest.raises(LWAError, match="one call is trying now"):
        loop.run_until_complete(tries())
    assert later.run_until_complete(tries())
    clock.now += 60
    with pytest.raises(LWAError, match="one call is trying now") as caught:
        later.run_until_complete(tries())
    assert caught.value.retry_after == 0
    loop.close()
    later.close()


async def test_after_an_outage_the_pauses_begin_anew() -> None:
    """However long the last one took; an endpoint that cannot be reached is an outage, too."""
    clock = HandClock()
    breakdown = Breakdown(clock)
    unreachable = ConnectionFailedError("cannot connect")
    for _ in range(5):
        clock.now += 100
        breakdown.ended(unreachable, probe=breakdown.check())
    clock.now += 100
    breakdown.ended(None, probe=breakdown.check())
    for _ in range(TRIPS_AFTER):
        breakdown.ended(unreachable, probe=breakdown.check())
    with pytest.raises(ConnectionFailedError) as caught:
        breakdown.check()
    assert caught.value.retry_after == FIRST_PAUSE
