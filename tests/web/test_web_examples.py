"""The examples of backends and of synchronous code, run as their docstrings say."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import anyio
import pytest
import warm_python
from anyio.from_thread import start_blocking_portal
from order_databases import CREDENTIALS
from servers import free_port

from spapi_async import Application, Priority, call_options
from spapi_async._core.options import current_options
from spapi_async.emulator import Emulator
from spapi_async.ratelimit import RedisRateLimiter

pytest_plugins = ("sync_fixtures",)

EXAMPLES = Path(__file__).parents[2] / "examples"
GET = "orders_2026_01_01.get_order"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("background_loop", "3 threads, 1 answer, 3 orders"),
        ("django_view", "200 3 orders"),
        ("celery_task", "3 orders"),
    ],
)
def test_synchronous_code_uses_a_loop_in_the_background(name: str, said: str) -> None:
    """Threads, a Django view and a Celery task each end by themselves and print nothing else."""
    program = [str(EXAMPLES / "sync_code" / f"{name}.py")]
    process = warm_python.start(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, complaints = process.communicate(timeout=120)
    assert (process.returncode, out.decode().strip(), complaints) == (0, said, b"")


def test_call_options_reach_the_loop_in_the_background() -> None:
    """The examples rely on a context being passed with a call."""

    async def priority() -> Priority:
        return current_options().priority

    with start_blocking_portal() as portal:
        with call_options(priority=Priority.BULK):
            assert portal.call(priority) is Priority.BULK
        assert portal.call(priority) is Priority.NORMAL


@asynccontextmanager
async def backend(emulator: Emulator, redis_url: str) -> AsyncIterator[str]:
    """``examples/web`` behind uvicorn with two workers."""
    port = free_port()
    words = ["-m", "uvicorn", "backend:api", "--workers", "2", "--port", str(port), "--log-level", "error"]
    variables = {**os.environ, **CREDENTIALS, "SP_API_ENDPOINT": emulator.url, "SP_API_REDIS": redis_url}
    process = warm_python.start(words, env=variables, cwd=EXAMPLES / "web", start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as client:
            with anyio.fail_after(300):  # three interpreters import everything, one minute long on a busy machine
                while True:
                    assert process.poll() is None
                    try:
                        async with client.get(f"{url}/health") as reply:
                            assert reply.status == 200
                            break
                    except aiohttp.ClientConnectionError:
                        await anyio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            await anyio.to_thread.run_sync(process.wait, 60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with its workers
            process.wait()


async def request_order(url: str, order_id: str) -> None:
    """Make twelve requests for an order, each of which is served."""
    async with aiohttp.ClientSession() as client:
        for _ in range(12):
            async with client.get(f"{url}/orders/{order_id}") as reply:
                assert reply.status == 200
                assert (await reply.json())["orderId"] == order_id
            await anyio.sleep(0.1)


async def seconds_until_quota(client: aiohttp.ClientSession, url: str) -> int:
    """Make requests until quota is short, and return the seconds of Retry-After."""
    for served in range(40):
        async with client.get(url) as reply:
            if reply.status == 503:
                assert served > 0
                return int(reply.headers["retry-after"])
            assert reply.status == 200
    raise AssertionError("every request was served")


@pytest.mark.long
async def test_two_workers_share_quota_with_a_job(redis_url: str) -> None:
    """Requests overtake hundreds of waiting calls of a job; over quota they get Retry-After."""
    async with Emulator(orders=40, rate_scale=20) as emulator, backend(emulator, redis_url) as url:
        limiter = RedisRateLimiter(redis_url)
        async with (
            Application(CREDENTIALS["LWA_APP_ID"], "secret", endpoint=emulator.url, limiter=limiter) as app,
            anyio.create_task_group() as job,
        ):
            seller = app.selling_partner(CREDENTIALS["SP_API_REFRESH_TOKEN"], region="NA")
            page = await seller.orders_2026_01_01.search_orders(created_after="2020-01-01")
            order_id = page.orders[0].order_id

            async def bulk() -> None:
                with call_options(priority=Priority.BULK):
                    await seller.orders_2026_01_01.get_order(order_id)

            for _ in range(400):
                job.start_soon(bulk)
            await anyio.sleep(0.5)  # the burst is spent: ten a second are left, for four hundred calls
            await request_order(url, order_id)
            # At ten tokens a second, a call behind the job would have waited until few of its calls were left.
            assert any(snapshot.waiting > 20 for snapshot in app.limits())
            job.cancel_scope.cancel()
        async with aiohttp.ClientSession() as client:
            await anyio.sleep(await seconds_until_quota(client, f"{url}/marketplaces") + 1)  # true within a second
            async with client.get(f"{url}/marketplaces") as reply:
                assert reply.status == 200
        throttled = {name: counts["throttled"] for name, counts in emulator.stats()["operations"].items()}
        assert sum(throttled.values()) == 0
        async with aiohttp.ClientSession() as client, client.get(f"{url}/metrics") as reply:
            assert "spapi_quota_tokens" in await reply.text()
