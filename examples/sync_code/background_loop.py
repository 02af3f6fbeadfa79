"""Calls from synchronous code: one event loop in a separate thread, for the whole program.

Run it: ``python examples/sync_code/background_loop.py``. It starts an emulator of its own and contacts no other server.

``anyio.from_thread`` starts the loop and runs coroutines in it. The application lives there, so all threads share its
connections, tokens and quota. Do not use ``asyncio.run`` for each call: each would open new connections.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from anyio.from_thread import start_blocking_portal

from spapi_async import Application
from spapi_async.emulator import Emulator


def main() -> None:
    """Three threads search for orders, through one application."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Emulator(orders=3)) as emulator,
        portal.wrap_async_context_manager(Application("app", "secret", endpoint=emulator.url)) as app,
    ):
        seller = app.selling_partner("Atzr|example", region="NA")

        def order_ids() -> tuple[str, ...]:
            search = partial(seller.orders_2026_01_01.search_orders, created_after="2020-01-01")
            return tuple(order.order_id for order in portal.call(search).orders)

        with ThreadPoolExecutor(3) as threads:
            answers = [future.result() for future in [threads.submit(order_ids) for _ in range(3)]]
    print(len(answers), "threads,", len(set(answers)), "answer,", len(answers[0]), "orders")


if __name__ == "__main__":
    main()
