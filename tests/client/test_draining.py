"""How an application is closed: calls under way may finish, new ones are refused. Tokens can be fetched ahead."""

import asyncio
import os
import warnings
from pathlib import Path
from typing import Any

import anyio
import pytest
from insides import engine_of, lanes_of, session_pool
from raw_server import Answer, raw_server, reply

from spapi_async import (
    Application,
    ClosedError,
    ConfigurationError,
    Marketplace,
    OutcomeUnknownError,
    SellingPartner,
    SPAPIWarning,
)
from spapi_async._client import unclosed
from spapi_async.auth import MemoryTokenStore
from spapi_async.emulator import Emulator
from spapi_async.ratelimit import LocalRateLimiter, RedisRateLimiter
from spapi_async.workflows.journal import Journal
from spapi_async.workflows.orders import OrderDatabase

SELLER_ELEMENTS = ("buyerInfo",)


async def found(seller: SellingPartner) -> object:
    return await seller.catalog_items_2022_04_01.search_catalog_items(keywords=["a"], marketplace_ids=[Marketplace.US])


def search(seller: SellingPartner) -> asyncio.Task[object]:
    return asyncio.create_task(found(seller))


async def test_calls_under_way_end_during_the_grace_period() -> None:
    """So do those that wait for quota; a call that comes meanwhile is refused."""
    async with Emulator(rate_scale=10, latency=0.05) as emulator:
        app = Application("app", "secret", endpoint=emulator.url)
        seller = app.selling_partner("Atzr|a", region="na")
        calls = [search(seller) for _ in range(4)]
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(app.aclose(grace=30))
        await asyncio.sleep(0)
        with pytest.raises(ClosedError, match="the application is closed"):
            await search(seller)
        assert all([await call for call in calls])
        await closing


async def test_a_call_under_way_still_gets_its_restricted_token() -> None:
    """Fetching that token is another call, though new calls are refused."""
    async with Emulator(orders=5, rate_scale=1000, latency=0.05) as emulator:
        app = Application("app", "secret", endpoint=emulator.url)
        seller = app.selling_partner("Atzr|a", region="na")
        page = await seller.orders_v0.get_orders(
            marketplace_ids=[Marketplace.US], created_after="2020-01-01T00:00:00Z", data_elements=()
        )
        assert page is not None
        order_id = page.orders[0].amazon_order_id
        call = asyncio.create_task(seller.orders_v0.get_order(order_id, data_elements=SELLER_ELEMENTS))
        await asyncio.sleep(0.01)
        await app.aclose(grace=30)
        assert (await call).amazon_order_id == order_id
        assert emulator.stats()["tokens"]["rdt"] == 1


async def test_the_grace_period_is_a_bound() -> None:
    """A call that would take longer gets an error when it is over."""
    async with Emulator(latency=5) as emulator:
        app = Application("app", "secret", endpoint=emulator.url)
        call = search(app.selling_partner("Atzr|a", region="na"))
        await asyncio.sleep(0.01)
        async with asyncio.timeout(4):
            await app.aclose(grace=0.1)
            with pytest.raises(ClosedError):
                await call


async def test_tokens_can_be_fetched_ahead() -> None:
    """Each grant costs one request to Login with Amazon, and the calls cost none."""
    async with Emulator(rate_scale=1000) as emulator, Application("app", "secret", endpoint=emulator.url) as app:
        sellers = [app.selling_partner(f"Atzr|{name}", region="na") for name in "abc"]
        await app.warm_up(sellers)
        before = emulator.stats()["tokens"]
        await search(sellers[0])
        assert emulator.stats()["tokens"] == before
        assert before["lwa"] == 3


@pytest.mark.parametrize("grace", [-1, float("nan"), "10"])
async def test_an_invalid_grace_period_is_refused(grace: object) -> None:
    """Nothing is closed."""
    async with Application("app", "secret") as app:
        with pytest.raises(ConfigurationError, match="grace must be zero or more seconds"):
            await app.aclose(grace=grace)  # type: ignore[arg-type]
        assert not app.closed


async def test_simultaneous_applications_of_one_client_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Twelve tasks with one each share neither tokens nor quota, and one line says so."""
    unclosed.hinted.discard("twelve")
    async with Emulator(rate_scale=1000, latency=0.05) as emulator:

        async def task(number: int) -> None:
            async with Application("twelve", "secret", endpoint=emulator.url) as app:
                await found(app.selling_partner(f"Atzr|{number}", region="na"))

        await asyncio.gather(*(task(number) for number in range(3)))
        await task(4)
    hints = [
        record.message for record in caplog.records if "second Application with client id twelve" in record.message
    ]
    assert len(hints) == 1


async def test_successive_applications_of_one_client_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Tests and tasks of a queue use them like this."""
    async with Emulator(rate_scale=1000) as emulator:
        for _ in range(2):
            async with Application("alone", "secret", endpoint=emulator.url) as app:
                await search(app.selling_partner("Atzr|a", region="na"))
    assert "second Application" not in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
async def test_a_forked_child_begins_with_empty_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets that the parent never used are empty, too; one warning says that quota is not shared."""
    from spapi_async.api.orders_v0 import GET_ORDER
    from spapi_async.credentials import Account, Grant
    from spapi_async.marketplaces import Region
    from spapi_async.ratelimit import LocalRateLimiter

    limiter = LocalRateLimiter()
    account = Account(Grant.refresh_token("app", "Atzr|a"), Region.NA)
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a forked child
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lane = None
        try:
            async with asyncio.timeout(0.01):
                await limiter.acquire(GET_ORDER, account, priority=1, max_wait=None)  # type: ignore[arg-type]
        except TimeoutError:
            lane = lanes_of(limiter)[account.key, GET_ORDER]
    assert lane is not None
    assert [type(w.message) for w in caught] == [SPAPIWarning]
    assert "RedisRateLimiter" in str(caught[0].message)


TOKEN = reply(b'{"access_token": "Atza|x", "expires_in": 3600}')


async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer token requests, and nothing else."""
    if b"/auth/o2/token" in request:
        writer.write(TOKEN)


async def half_a_reply(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer token requests, and send half of every other reply."""
    writer.write(TOKEN if b"/auth/o2/token" in request else reply(b"{" + b" " * 100_000)[:1000])


@pytest.mark.parametrize("answer", [silent, half_a_reply])
async def test_closing_ends_calls_at_once(answer: Answer) -> None:
    """They may wait for a free connection, a reply or its rest; a write that was sent may have taken effect."""
    async with raw_server(answer) as server:
        app = Application("app", "secret", endpoint=server.url, connections=1)
        seller = app.selling_partner("Atzr|a", region="na")
        feed: Any = {"feedType": "POST_ORDER_FULFILLMENT_DATA", "marketplaceIds": ["A"], "inputFeedDocumentId": "d"}
        write = asyncio.create_task(seller.feeds_2021_06_30.create_feed(body=feed))
        while not any(b"/feeds/" in request for request in server.requests):
            await asyncio.sleep(0.001)
        reads = [search(seller) for _ in range(3)]
        await asyncio.sleep(0.01)
        await app.aclose()
        async with asyncio.timeout(30):
            with pytest.raises(OutcomeUnknownError, match="the application was closed before"):
                await write
            for read in reads:
                with pytest.raises(ClosedError, match="the application is closed"):
                    await read


@pytest.mark.parametrize("waiting", [True, False], ids=["waiting", "between two pieces"])
async def test_closing_ends_a_document_at_once(waiting: bool) -> None:
    """Its reader gets the error while it waits for more, or when it reads on."""
    async with raw_server(half_a_reply) as server:
        app = Application("app", "secret", endpoint=server.url)
        async with app.selling_partner("Atzr|a", region="na").documents.url(f"{server.url}/file") as document:
            pieces = document.iter_bytes()
            await anext(pieces)
            more = asyncio.ensure_future(anext(pieces)) if waiting else None
            await asyncio.sleep(0.01)
            await app.aclose()
            async with asyncio.timeout(30):
                with pytest.raises(ClosedError, match="the application is closed"):
                    await (more or anext(pieces))


@pytest.mark.parametrize("shared", [False, True])
async def test_an_application_in_a_cancelled_scope_is_closed(shared: bool, redis_url: str, tmp_path: Path) -> None:
    """A scope of anyio cancels at every await until it is left."""
    async with Emulator(orders=3) as emulator:
        limiter = RedisRateLimiter(redis_url) if shared else None
        opened: list[Any] = []

        async def work() -> None:
            async with (
                Application("a", "b", endpoint=emulator.url, limiter=limiter) as app,
                OrderDatabase(f"sqlite:///{tmp_path / 'orders.db'}") as database,
                Journal(f"sqlite:///{tmp_path / 'runs.db'}") as journal,
            ):
                await app.selling_partner("Atzr|1", region="NA").sellers_v1.get_marketplace_participations()
                opened.extend((app, database, journal))
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            while not opened:
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        app, database, journal = opened
        assert app.closed
        assert session_pool(app).sessions == {}
        assert engine_of(database) is None
        assert engine_of(journal) is None


class RecordsClosing(MemoryTokenStore):
    """A store that records that it was closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


async def test_a_part_that_fails_to_close_keeps_no_other_open() -> None:
    """Its error is raised when connections, tokens and journal are closed."""

    class Failing(LocalRateLimiter):
        async def aclose(self) -> None:
            raise OSError("no space left")

    tokens, limiter = RecordsClosing(), Failing()
    app = Application("app", "secret", limiter=limiter, tokens=tokens)
    with pytest.raises(OSError, match="no space left"):
        await app.aclose()
    assert tokens.closed
