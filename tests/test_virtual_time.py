"""The test clock itself."""

from __future__ import annotations

import asyncio
import socket

import pytest
from virtual_time import EPOCH, Deadlock, VirtualClock, run, virtual_time


@virtual_time
async def test_a_year_passes_at_once() -> None:
    """Sleeping costs no real time, and the clock shows the year."""
    await asyncio.sleep(365 * 86_400)
    assert asyncio.get_running_loop().time() == pytest.approx(365 * 86_400)


@virtual_time
async def test_timers_fire_in_order() -> None:
    """Each timer sees its own time."""
    seen: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()

    async def mark(name: str, after: float) -> None:
        await asyncio.sleep(after)
        seen.append((name, loop.time()))

    await asyncio.gather(mark("b", 2.0), mark("a", 1.0), mark("c", 3.0))
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


@virtual_time
async def test_timeouts_use_virtual_time() -> None:
    """asyncio.timeout expires on the virtual clock."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()
    clock = VirtualClock()
    assert clock.monotonic() == 3600
    assert clock.time() == EPOCH + 3600


def test_a_lost_wake_up_fails_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that nothing can end raises Deadlock."""
    monkeypatch.setattr("virtual_time.DEADLOCK_AFTER", 0.05)

    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(forever())


@virtual_time
async def test_threads_still_work() -> None:
    """A thread's result arrives although no timer is set."""
    assert await asyncio.to_thread(lambda: 7) == 7


@virtual_time
async def test_a_socket_is_read_before_time_passes() -> None:
    """What has arrived is read before the next timer fires."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    with theirs:
        theirs.sendall(b"x")
        async with asyncio.timeout(1.0):
            assert await reader.readexactly(1) == b"x"
        assert asyncio.get_running_loop().time() == 0.0
        writer.close()
        await writer.wait_closed()
