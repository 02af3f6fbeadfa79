"""``app.health()``: the last outcome of each part."""

from __future__ import annotations

import time

import pytest

from spapi_async import Application, ServerError, SPAPIError
from spapi_async._engine.retry import RetryPolicy
from spapi_async.auth import RedisTokenStore
from spapi_async.emulator import Emulator
from spapi_async.ratelimit import RedisRateLimiter

pytest_plugins = ("sync_fixtures",)

IMPATIENT = RetryPolicy(attempts=1)


async def test_nothing_is_known_and_nothing_sent_before_the_first_call() -> None:
    """The state is unknown, which does not count as unhealthy."""
    async with Emulator() as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        found = await app.health()
        assert found.ok
        assert (found.lwa.ok, found.token_store.ok, found.limiter.ok, found.amazon) == (None, None, True, {})
        assert emulator.stats()["tokens"]["lwa"] == 0
    assert not (await app.health()).ok


async def test_the_last_outcome_of_each_part_with_its_time() -> None:
    """A refusal counts as an answer; a failure of Amazon counts against it until the next success."""
    async with Emulator(orders=1) as emulator, Application("a", "b", endpoint=emulator.url, retry=IMPATIENT) as app:
        seller = app.selling_partner("Atzr|one", region="EU")
        before = time.time()
        await seller.sellers_v1.get_marketplace_participations()
        found = await app.health()
        assert found.amazon["eu"].ok
        assert found.amazon["eu"].at is not None
        assert before - 1 <= found.amazon["eu"].at <= time.time() + 1
        assert found.lwa.detail == "answered 200"
        emulator.faults({"operation": "sellers_v1.get_marketplace_participations", "status": 503})
        with pytest.raises(ServerError):
            await seller.sellers_v1.get_marketplace_participations()
        assert not (await app.health()).ok
        await seller.sellers_v1.get_marketplace_participations()
        assert (await app.health()).ok


async def test_a_probe_sends_no_token() -> None:
    """Any answer shows that a host is reachable."""
    async with Emulator() as emulator:
        app = Application("app", "secret", endpoint=emulator.url, retry=IMPATIENT)
        found = await app.health(probe=True)
        assert found.ok
        assert set(found.amazon) == {"na"}
        assert found.lwa.ok
        assert emulator.stats()["tokens"]["lwa"] == 0
    found = await app.health(probe=True)
    assert (found.ok, found.lwa.detail) == (False, "ConnectionFailedError")
    await app.aclose()


async def test_a_shared_limiter_and_a_token_store_are_parts(redis_url: str) -> None:
    """They are healthy while Redis answers; the URL is shown without its password."""
    async with Emulator() as emulator:
        key = RedisTokenStore.new_key()
        for url, well in ((redis_url, True), ("redis://:planted@127.0.0.1:9/0", False)):
            limiter, store = RedisRateLimiter(url), RedisTokenStore(url, keys=[key])
            async with Application("app", "secret", endpoint=emulator.url, limiter=limiter, tokens=store) as app:
                seller = app.selling_partner("Atzr|one", region="NA")
                try:
                    await seller.sellers_v1.get_marketplace_participations()
                except SPAPIError:
                    pytest.fail("a lost Redis must not break a call")
                found = await app.health()
                assert (found.limiter.ok, found.token_store.ok) == (well, well)
                assert found.limiter.detail == ("the store answers" if well else "the store is away")
                assert "planted" not in repr(found)
