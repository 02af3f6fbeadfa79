"""Catalogue items: the gain from batching, pooling and crawling, with the emulator's usage plans.

``bulk.py [--seconds 20] [--million 1000000] [--results DIR]``. The emulator runs in a separate process, with Amazon's
quota multiplied so that a run takes seconds; the same factor applies to all figures except those of the crawl.

1. getCatalogItem one by one, as fast as its quota allows.
2. ``seller.catalog.item`` by many concurrent callers with one seller; then with five sellers in a pool.
3. The processor time of an item that is looked up separately, compared with an item of a page of 20 requested by hand.
4. A crawl of a million identifiers: its memory and the number of throttled requests.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from saved import save

from spapi_async import Application, Marketplace, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.bulk import crawl, pool

SCALE = 5.0
CRAWL_SCALE = 25.0  # 20 ms between two searches, which is longer than pauses of the garbage collector or the disk
PAIRS = 15
ITEMS = 5000
SEARCH, GET = "catalog_items_2022_04_01.search_catalog_items", "catalog_items_2022_04_01.get_catalog_item"

Result = dict[str, Any]


async def _serve(scale: float, products: int) -> None:
    async with Emulator(rate_scale=scale, products=products) as emulator:
        print(emulator.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def emulator_process(scale: float, products: int = ITEMS) -> AsyncIterator[str]:
    """The URL of an emulator in a separate process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", str(scale), str(products),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise SystemExit("the emulator did not start")
        yield url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def counts(url: str) -> Result:
    """The emulator's counts of requests and 429s."""
    with await asyncio.to_thread(urllib.request.urlopen, f"{url}/_emulator/stats") as reply:
        return dict(json.load(reply)["operations"])


def asins(number: int) -> Iterator[str]:
    """The first ``number`` ASINs of the catalogue."""
    return (product_at(0, index).asin for index in range(number))


async def flood(call: Callable[[str], Awaitable[Any]], seconds: float, callers: int) -> list[float]:
    """The times at which replies came, with ``callers`` concurrent callers that each make one call after the other."""
    started = time.monotonic()
    wanted = [product_at(0, index).asin for index in range(ITEMS)]
    moments: list[float] = []

    async def caller(first: int) -> None:
        number = first
        while time.monotonic() - started < seconds:
            await call(wanted[number % ITEMS])
            moments.append(time.monotonic() - started)
            number += callers

    tasks = [asyncio.ensure_future(caller(number)) for number in range(callers)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return moments


async def measure_rates(seconds: float) -> list[Result]:
    """One by one, batched, and five sellers, each on a fresh emulator with the same quota."""

    def one_by_one(sellers: list[SellingPartner]) -> Callable[[str], Awaitable[Any]]:
        get = sellers[0].catalog_items_2022_04_01.get_catalog_item
        return lambda asin: get(asin, marketplace_ids=[Marketplace.US], included_data=["summaries"])

    ways: list[tuple[str, int, Callable[[list[SellingPartner]], Callable[[str], Awaitable[Any]]]]] = [
        ("getCatalogItem, one by one", 1, one_by_one),
        ("seller.catalog.item", 1, lambda sellers: sellers[0].catalog.item),
        ("pool of five sellers", 5, lambda sellers: pool(sellers).catalog.item),
    ]
    rows = []
    for name, number, way in ways:
        async with emulator_process(SCALE) as url, Application("a", "b", endpoint=url) as app:
            sellers = [app.selling_partner(f"Atzr|{n}", marketplace="US") for n in range(number)]
            await asyncio.gather(
                *(way([seller])(product_at(0, 0).asin) for seller in sellers)
            )  # so that the limiter learns the scaled rate
            before = await counts(url)
            moments = await flood(way(sellers), seconds, 1000 * number if way is not one_by_one else 100)
            after = await counts(url)
        spent = {
            operation: after[operation]["requests"] - before.get(operation, {"requests": 0})["requests"]
            for operation in after
        }
        singles = spent.get(GET, 0)
        searches = spent.get(SEARCH, 0)
        rows.append(
            {
                "way": name,
                "items": len(moments),
                "rate": len(moments) / seconds,
                "searches": searches,
                "gets": singles,
                "per_search": (len(moments) - singles) / searches if searches else None,
                "throttled": sum(each["throttled"] for each in after.values()),
                "moments": moments[:: max(1, len(moments) // 500)],
            }
        )
    return rows


async def measure_cost(pairs: int) -> Result:
    """Microseconds of processor time per item, by hand and looked up, measured alternately."""
    wanted = list(asins(ITEMS))
    pages = [wanted[start : start + 20] for start in range(0, ITEMS, 20)]
    async with emulator_process(2000.0) as url, Application("a", "b", endpoint=url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")

        async def by_hand() -> None:
            turns = iter(pages)

            async def work() -> None:
                for page in turns:
                    found = await seller.catalog_items_2022_04_01.search_catalog_items(
                        identifiers=page, identifiers_type="ASIN", marketplace_ids=[Marketplace.US],
                        included_data=["summaries"], page_size=20,
                    )  # fmt: skip
                    assert len(found.items) == len(page)

            await asyncio.gather(*(work() for _ in range(50)))

        async def looked_up() -> None:
            for start in range(0, ITEMS, 1000):
                items = await asyncio.gather(*(seller.catalog.item(asin) for asin in wanted[start : start + 1000]))
                assert [item.asin for item in items] == wanted[start : start + 1000]

        await by_hand()
        await looked_up()
        costs: dict[str, list[float]] = {"hand": [], "look_up": []}
        for turn in range(pairs):
            both = [("hand", by_hand), ("look_up", looked_up)]
            for name, run in both if turn % 2 else reversed(both):
                gc.collect()
                started = time.process_time()
                await run()
                costs[name].append((time.process_time() - started) / ITEMS * 1e6)
    ratios = [mine / plain for mine, plain in zip(costs["look_up"], costs["hand"], strict=True)]
    return {
        "hand_us": statistics.median(costs["hand"]),
        "look_up_us": statistics.median(costs["look_up"]),
        "ratio": statistics.median(ratios),
        "quartiles": statistics.quantiles(ratios, n=4)[::2],
    }


async def measure_crawl(number: int, scale: float) -> Result:
    """A crawl of ``number`` identifiers into JSON lines: seconds, memory over time, 429s."""
    samples: list[tuple[float, float]] = []
    done: list[tuple[float, int]] = []
    async with emulator_process(scale, number) as url, Application("a", "b", endpoint=url) as app:
        seller = app.selling_partner("Atzr|1", marketplace="US")
        started = time.monotonic()

        async def watch() -> None:
            while True:
                samples.append((time.monotonic() - started, _resident_mb()))
                await asyncio.sleep(0.5)

        watching = asyncio.ensure_future(watch())
        with tempfile.TemporaryDirectory() as folder:
            report = await crawl(
                "catalog", [seller], asins(number), Path(folder) / "items.jsonl",
                progress=lambda each: done.append((time.monotonic() - started, each.done)),
            )  # fmt: skip
        watching.cancel()
        stats = await counts(url)
    return {
        "identifiers": number,
        "found": report.found,
        "seconds": report.seconds,
        "rate": report.found / report.seconds,
        "requests": {operation: each["requests"] for operation, each in stats.items()},
        "throttled": sum(each["throttled"] for each in stats.values()),
        "peak_mb": max(size for _, size in samples),
        "memory": samples[:: max(1, len(samples) // 300)],
        "done": done[:: max(1, len(done) // 300)],
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def table(result: Result) -> str:
    """Markdown."""
    rates, cost, crawled = result["rates"], result["cost"], result["crawl"]
    lines = [
        f"| the same quota ({SCALE:g} times Amazon's) | items/s | times one by one | items per search | 429s |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['way']} | {row['rate']:,.1f} | {row['rate'] / rates[0]['rate']:.1f}x"
        f" | {row['per_search'] or 0:.2f} | {row['throttled']} |"
        for row in rates
    ]
    low, high = cost["quartiles"]
    lines.append(
        f"\nProcessor time per item: {cost['hand_us']:.1f} µs in a page of 20 requested by hand,"
        f" {cost['look_up_us']:.1f} µs looked up in a separate task: {cost['ratio']:.2f}x ({low:.2f} to {high:.2f})."
    )
    lines.append(
        f"\nCrawl of {crawled['identifiers']:,} identifiers: {crawled['found']:,} found in {crawled['seconds']:,.0f} s"
        f" ({crawled['rate']:,.0f} per second), {crawled['peak_mb']:.0f} MB, {crawled['throttled']} 429s."
    )
    return "\n".join(lines)


def measure(*, seconds: float = 20.0, identifiers: int = 200_000) -> Result:
    """Measure everything, with a crawl that takes a few minutes."""
    return asyncio.run(main(seconds, identifiers, CRAWL_SCALE))


async def main(seconds: float, million: int, scale: float) -> Result:
    """Measure everything, one after the other."""
    return {
        "rates": await measure_rates(seconds),
        "cost": await measure_cost(PAIRS),
        "crawl": await measure_crawl(million, scale),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--scale", type=float, default=CRAWL_SCALE, help="the factor of the crawl's quota")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--serve", nargs=2)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(_serve(float(chosen.serve[0]), int(chosen.serve[1])))
    else:
        measured = asyncio.run(main(chosen.seconds, chosen.million, chosen.scale))
        print(table(measured))
        if chosen.results:
            from pictures import bulk_pictures

            save(measured, chosen.results / "bulk.json")
            bulk_pictures(measured, chosen.results)
