"""A server with a token bucket of its own, against which limiters are tested; it shares no code with them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import warm_python
from aiohttp import web

WORKER = Path(__file__).with_name("redis_worker.py")


class ReferenceServer:
    """Answers 200 while its bucket holds a token, else 429, and keeps a record of (time, status)."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.record: list[tuple[float, int]] = []
        self.url = ""
        self._level = float(burst)
        self._at = time.monotonic()

    async def answer(self, _: web.Request) -> web.Response:
        now = time.monotonic()
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        status = 200 if self._level >= 1 else 429
        self._level -= status == 200
        self.record.append((now, status))
        return web.Response(status=status)

    @property
    def admitted(self) -> int:
        return sum(status == 200 for _, status in self.record)

    @property
    def throttled(self) -> int:
        return sum(status == 429 for _, status in self.record)

    @property
    def silence(self) -> float:
        """Seconds since the last request."""
        return time.monotonic() - self.record[-1][0]

    @property
    def elapsed(self) -> float:
        """Seconds from the first request to the last."""
        return self.record[-1][0] - self.record[0][0]


@asynccontextmanager
async def reference_server(rate: float, burst: int) -> AsyncIterator[ReferenceServer]:
    """A running reference server."""
    server = ReferenceServer(rate, burst)
    application = web.Application()
    application.router.add_get("/", server.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}/"
        yield server
    finally:
        await runner.cleanup()


async def run_workers(count: int, **config: Any) -> list[dict[str, Any]]:
    """Run ``count`` worker processes to their end, and return what each of them reports."""
    pipe, words = subprocess.PIPE, [str(WORKER), json.dumps(config)]
    processes = [warm_python.start(words, stdout=pipe, stderr=pipe) for _ in range(count)]
    try:
        outputs = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    except BaseException:
        for process in processes:
            process.kill()
        raise
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors.decode()
    return [json.loads(output) for output, _ in outputs]
