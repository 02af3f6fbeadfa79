"""A bulk crawl and a web backend share one seller's quota: the interactive calls go first.

Run it: ``python examples/calls/priorities.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio
import time

from spapi_async import Application, Marketplace, Priority, RateLimitWaitError, Region, SellingPartner, call_options
from spapi_async.emulator import Emulator


async def crawl(seller: SellingPartner, order_ids: list[str]) -> None:
    """Fetch many orders with the quota that other calls leave."""
    with call_options(priority=Priority.BULK):
        async with asyncio.TaskGroup() as group:
            for order_id in order_ids:
                group.create_task(seller.orders_2026_01_01.get_order(order_id))


async def answer_a_customer(seller: SellingPartner, order_id: str) -> str:
    """Answer within a second, or say at once in how many seconds it will be possible."""
    with call_options(priority=Priority.INTERACTIVE, max_wait=1.0):
        try:
            found = await seller.orders_2026_01_01.get_order(order_id)
        except RateLimitWaitError as busy:
            return f"quota is available in {busy.retry_after or 0:.1f} s"
    return f"order was updated on {found.order.last_updated_time:%d %B}"


async def main() -> None:
    """Queue two hundred bulk calls, then make interactive calls as a web backend would."""
    async with (
        Emulator(orders=200, rate_scale=40) as emulator,
        Application("amzn1.application-oa2-client.example", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|example", region=Region.NA)
        page = await seller.orders_2026_01_01.search_orders(
            last_updated_after="2020-01-01T00:00:00Z", marketplace_ids=[Marketplace.US], max_results_per_page=100
        )
        order_ids = [order.order_id for order in page.orders]
        bulk = asyncio.create_task(crawl(seller, order_ids * 2))
        await asyncio.sleep(0.5)
        for _ in range(5):
            started = time.perf_counter()
            answer = await answer_a_customer(seller, order_ids[0])
            waiting = sum(limit.waiting for limit in app.limits())
            print(f"{answer} after {time.perf_counter() - started:.2f} s, with {waiting} bulk calls waiting")
            await asyncio.sleep(0.5)
        await bulk


if __name__ == "__main__":
    asyncio.run(main())
