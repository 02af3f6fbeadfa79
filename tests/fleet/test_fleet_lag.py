"""What a worker says about how far its fleet is behind, and what its slices have reached."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import anyio
from redis.exceptions import ConnectionError as RedisConnectionError
from virtual_time import virtual_time

from spapi_async.fleet._board import Totals
from spapi_async.fleet._lag import FleetLag, Reconciled, report_lag
from spapi_async.workflows.orders import OrdersReconciled, SyncEvent

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_a_slice_has_reconciled_is_noted_once() -> None:
    """Later another worker may have reached more, which the next slice here must not take back."""
    heard: list[SyncEvent] = []
    reconciled = Reconciled(heard.append)
    events = [OrdersReconciled(seller=name, hours=2, reconciled_to=NOW, found=0) for name in ("A@na", "B@na")]
    for event in events:
        reconciled(event)
    assert [reconciled.take("A@na") for _ in range(2)] == [{"2h": NOW.timestamp()}, {}]
    assert reconciled.take("B@na") == {"2h": NOW.timestamp()}
    assert heard == events


@virtual_time
async def test_an_outage_of_redis_does_not_end_the_reports() -> None:
    """They are left out meanwhile; a worker would otherwise be silent until it is started again."""
    answers: list[Any] = [RedisConnectionError(), ConnectionResetError()]
    totals = Totals(
        sellers=3, due=1, queued=1, new=1, revoked=0, furthest=("A@na", 60.0), reconciled={"2h": 90.0}
    )  # fmt: skip

    class Away:
        async def totals(self) -> Totals:
            if answers:
                raise answers.pop()
            return totals

    heard: list[tuple[float, SyncEvent]] = []

    def progress(event: SyncEvent) -> None:
        heard.append((asyncio.get_running_loop().time(), event))

    board: Any = Away()
    with anyio.move_on_after(12):
        await report_lag(board, progress)
    ((at, event),) = heard
    assert at == 10
    assert event == FleetLag(
        seller="A@na", lag=60.0, reconciled={"2h": 90.0}, sellers=3, due=1, queued=1, new=1, revoked=0
    )
