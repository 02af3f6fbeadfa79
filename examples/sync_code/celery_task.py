"""Celery tasks: an event loop in a thread of each worker process, started after the fork.

Run it: ``pip install celery``, ``python examples/sync_code/celery_task.py``. It runs a task in this process and
contacts only an emulator of its own. With ``celery -A celery_task worker`` each worker process has its own loop; then
use a ``RedisRateLimiter``, because otherwise each process would use the seller's whole quota.
"""

from contextlib import ExitStack
from functools import cache, partial
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from celery import Celery, signals

from spapi_async import Application, Priority, SellingPartner, call_options
from spapi_async.emulator import Emulator

tasks = Celery("example", broker="memory://", set_as_current=False)
STACK = ExitStack()


@cache
def seller() -> tuple[BlockingPortal, SellingPartner]:
    """Made once in each worker process, at its first task and therefore after the fork."""
    portal = STACK.enter_context(start_blocking_portal())
    emulator = STACK.enter_context(portal.wrap_async_context_manager(Emulator(orders=3)))
    app = STACK.enter_context(portal.wrap_async_context_manager(Application("app", "secret", endpoint=emulator.url)))
    return portal, app.selling_partner("Atzr|example", region="NA")


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def close(**_: Any) -> None:
    """Close the connections and the emulator when the worker ends."""
    STACK.close()


@tasks.task  # type: ignore[untyped-decorator]
def order_ids(created_after: str) -> list[str]:
    """Ids of orders; with the priority BULK, interactive calls go first."""
    portal, partner = seller()
    with call_options(priority=Priority.BULK):
        found = portal.call(partial(partner.orders_2026_01_01.search_orders, created_after=created_after))
    return [order.order_id for order in found.orders]


def main() -> None:
    """Run the task here, as a worker would."""
    with STACK:
        print(len(order_ids.apply(args=["2020-01-01"]).get()), "orders")


if __name__ == "__main__":
    main()
