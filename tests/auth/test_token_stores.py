"""Tokens shared between workers: one token request for all of them, and a store whose failures do no harm."""

import asyncio
import logging
from typing import Any

import pytest
from fake_amazon import ADDRESS, PLAIN, FakeAmazon, account, authenticator, lwa_error, request
from virtual_time import VirtualClock, virtual_time

from spapi_async.auth import MemoryTokenStore
from spapi_async.auth._token import Token
from spapi_async.errors import LWAError

STALE = b'{"errors": [{"details": "The access token you provided is revoked, malformed or invalid."}]}'


def memory() -> MemoryTokenStore:
    """A store in virtual time."""
    return MemoryTokenStore(clock=VirtualClock())


@virtual_time
async def test_twenty_workers_of_one_seller_cost_one_call_an_hour() -> None:
    """They are busy through three hours; restricted tokens are shared, too."""
    amazon, store = FakeAmazon(), memory()
    workers = [authenticator(amazon, store=store) for _ in range(20)]
    for _ in range(3 * 20):
        calls = [worker.token(PLAIN, account(), request()) for worker in workers]
        calls += [worker.token(ADDRESS, account(), request()) for worker in workers]
        await asyncio.gather(*calls)
        await asyncio.sleep(180)
    assert 3 <= len(amazon.forms) <= 4
    assert 3 <= len(amazon.bodies) <= 4


@virtual_time
async def test_a_rejected_token_is_replaced_once_for_all_workers() -> None:
    """The refused one is never read from the store again."""
    amazon, store = FakeAmazon(), memory()
    workers = [authenticator(amazon, store=store) for _ in range(5)]
    for worker in workers:
        old = await worker.token(PLAIN, account(), request())
    for worker in workers:
        assert worker.rejected(old, PLAIN, account(), STALE)
    calls = (worker.token(PLAIN, account(), request()) for worker in workers)
    assert set(await asyncio.gather(*calls)) == {"Atza|Atzr|a#2"}
    assert len(amazon.forms) == 2


@virtual_time
async def test_a_worker_takes_no_token_from_the_store_that_is_due_for_renewal() -> None:
    """It would have to be renewed at once, or expire on its way to Amazon."""
    amazon, store = FakeAmazon(latency=0), memory()
    first, second, third = (authenticator(amazon, store=store) for _ in range(3))
    await first.token(PLAIN, account(), request())
    await asyncio.sleep(3600 * 0.96)
    assert await second.token(PLAIN, account(), request()) == "Atza|Atzr|a#1"
    await asyncio.sleep(3600 * 0.02)
    assert await third.token(PLAIN, account(), request()) == "Atza|Atzr|a#2"


@virtual_time
async def test_a_worker_that_dies_with_the_lease_delays_others_by_ten_seconds() -> None:
    """Then they request their own token."""
    amazon, store = FakeAmazon(), memory()
    await store.acquire(f"lwa:{account().grant.key}", "the dead", ttl=1e9)
    assert await authenticator(amazon, store=store).token(PLAIN, account(), request()) == "Atza|Atzr|a#1"
    assert asyncio.get_running_loop().time() < 11


@virtual_time
async def test_a_refusal_gives_the_lease_back() -> None:
    """The next worker may try at once."""
    amazon, store = FakeAmazon(latency=0), memory()
    amazon.script = [lwa_error(400, "invalid_grant")]
    auth = authenticator(amazon, store=store)
    with pytest.raises(LWAError):
        await auth.token(PLAIN, account(), request())
    await authenticator(amazon, store=store).token(PLAIN, account(), request())
    assert asyncio.get_running_loop().time() == 0


class OvertakenStore(MemoryTokenStore):
    """Another worker's token arrives after the first look and before the lease; then the store may fail."""

    def __init__(self, *, fails: bool) -> None:
        super().__init__(clock=VirtualClock())
        self._fails = fails
        self._leased = False

    async def acquire(self, key: str, owner: str, *, ttl: float) -> bool:
        if not self._leased:
            self._leased = True
            now = VirtualClock().time()
            await self.set(key, Token("Atza|other", issued_at=now, expires_at=now + 3600).dump(), ttl=3600)
        return await super().acquire(key, owner, ttl=ttl)

    async def get(self, key: str) -> bytes | None:
        if self._leased and self._fails:
            raise ConnectionError
        return await super().get(key)


@pytest.mark.parametrize(("fails", "token"), [(False, "Atza|other"), (True, "Atza|Atzr|a#1")])
def test_an_unneeded_lease_is_given_back(fails: bool, token: str) -> None:
    """The token is there already, or the store is away: the next worker does not wait."""

    @virtual_time
    async def scenario() -> None:
        store = OvertakenStore(fails=fails)
        assert await authenticator(FakeAmazon(), store=store).token(PLAIN, account(), request()) == token
        assert await store.acquire(f"lwa:{account().grant.key}", "the next", ttl=10)

    scenario()


class BrokenStore(MemoryTokenStore):
    """Fails, or hangs, in one of its methods."""

    def __init__(self, method: str, *, hangs: bool) -> None:
        super().__init__(clock=VirtualClock())
        setattr(self, method, self._hang if hangs else self._fail)

    async def _fail(self, *_: object, **__: object) -> Any:
        raise ConnectionError("redis://:MARK-password@host refused MARK-entry")

    async def _hang(self, *_: object, **__: object) -> Any:
        await asyncio.sleep(1e9)


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("method", ["get", "set", "acquire", "release"])
def test_a_store_that_fails_or_hangs_breaks_no_call(
    method: str,
    hangs: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The worker requests its own token, within seconds, and logs no secret of the store's."""
    caplog.set_level(logging.DEBUG)

    @virtual_time
    async def scenario() -> None:
        auth = authenticator(FakeAmazon(), store=BrokenStore(method, hangs=hangs))
        assert await auth.token(PLAIN, account(), request()) == "Atza|Atzr|a#1"
        assert asyncio.get_running_loop().time() < 10

    scenario()
    assert "cannot be used" in caplog.text
    assert "MARK" not in caplog.text


@virtual_time
async def test_an_outage_of_the_store_is_logged_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Each is logged once, however many tokens are fetched meanwhile."""
    store = BrokenStore("get", hangs=False)
    auth = authenticator(FakeAmazon(), store=store)
    for name in "abc":
        await auth.token(PLAIN, account(name), request())
    del store.get  # restore the method of its class
    for name in "de":
        await auth.token(PLAIN, account(name), request())
    records = [record for record in caplog.records if record.name == "spapi_async.auth"]
    said = [record.getMessage().partition(">")[2] for record in records]
    assert said == [
        " cannot be used (ConnectionError): until it can, this process fetches its own tokens",
        " is back: tokens are shared again",
    ]


@pytest.mark.parametrize("entry", [b"", b"rubbish", b"[1,2,3]", b'["MARK", "x", 1]', b"\xff"])
def test_an_entry_that_is_not_a_token_is_dropped(entry: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Another program may have written it."""

    @virtual_time
    async def scenario() -> None:
        store = memory()
        key = f"lwa:{account().grant.key}"
        await store.set(key, entry, ttl=100)
        token = await authenticator(FakeAmazon(), store=store).token(PLAIN, account(), request())
        assert token == "Atza|Atzr|a#1"
        kept = await store.get(key)
        assert kept is not None
        assert Token.load(kept).value.reveal() == token

    scenario()
    assert "MARK" not in caplog.text


@virtual_time
async def test_entries_and_leases_expire() -> None:
    """Only its owner can give a lease back."""
    store = memory()
    await store.set("k", b"v", ttl=10)
    assert await store.acquire("k", "one", ttl=10)
    assert not await store.acquire("k", "two", ttl=10)
    await store.release("k", "two")
    assert not await store.acquire("k", "two", ttl=10)
    await asyncio.sleep(10)
    assert await store.get("k") is None
    assert await store.acquire("k", "two", ttl=10)
    assert "entries=0" in repr(store)


@virtual_time
async def test_a_store_in_memory_forgets_what_nobody_asks_for_again() -> None:
    """Tokens of single documents, and leases of flights that were cancelled, through weeks."""
    store = memory()
    for hour in range(500):
        for number in range(20):
            await store.set(f"rdt:{hour}:{number}", b"entry", ttl=3600)
            await store.acquire(f"rdt:{hour}:{number}", "worker", ttl=30)
        await asyncio.sleep(3600)
    assert int(repr(store).partition("entries=")[2].rstrip(">")) <= 1000
    assert await store.get("rdt:499:0") is None
    await store.set("kept", b"entry", ttl=1e9)
    for number in range(5000):
        await store.set(f"more {number}", b"entry", ttl=60)
    assert await store.get("kept") == b"entry"
    assert await store.get("more 0") == b"entry"


@virtual_time
async def test_a_clock_set_back_keeps_no_entry_alive() -> None:
    """Nor a lease: their times are spans, and no moments."""
    clock = VirtualClock()
    store = MemoryTokenStore(clock=clock)
    await store.set("a", b"entry", ttl=60)
    await store.acquire("a", "the dead", ttl=60)
    clock.epoch -= 7200
    await asyncio.sleep(61)
    assert await store.get("a") is None
    assert await store.acquire("a", "another", ttl=60)
