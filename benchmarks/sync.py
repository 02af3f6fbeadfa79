"""The cost of syncing an order into a database, compared with a minimal loop.

``python benchmarks/sync.py [--orders 4000] [--turns 5] [--items] [--save]``. Processor time of this process per order,
fetched and committed in pages of 100, for new and for updated orders, with SQLite and PostgreSQL. The floor is a loop
of bare aiohttp, msgspec and the driver's ``executemany`` over the same rows: orders, items and changes. It has no
tolerance of violations, no check for older versions, no removal of personal data, no fencing and no comparison with the
stored order. The sync has no observers; with observers it would also look for violations. Both are measured alternately
in one run; the figures are medians.

An update changes an order's date and status, but not its items. The floor writes the items again, the sync detects that
they are unchanged; with ``--items`` every update also changes each item, so that both must write them.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec
from aiohttp import web

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import OrderDatabase, sync_orders

SIZE = 100
_EARLIEST = "2025-01-01T00:00:00Z"
RESULT = Path(__file__).resolve().parent / "results" / "sync.json"


# ---- the server: orders made in advance ------------------------------------------------------------------------------


async def make_orders(orders: int, *, items: bool) -> list[list[dict[str, Any]]]:
    """The emulator's orders by last update in two versions: a year ago, and updated since and shipped."""
    found: list[dict[str, Any]] = []
    async with Emulator(orders=orders, rate_scale=1e9) as emulator, aiohttp.ClientSession() as session:
        form = {"grant_type": "refresh_token", "refresh_token": "Atzr|x", "client_id": "a", "client_secret": "b"}
        async with session.post(f"{emulator.url}/auth/o2/token", data=form) as reply:
            token = (await reply.json())["access_token"]
        parameters = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "maxResultsPerPage": str(SIZE)}
        parameters["includedData"] = "PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES"
        while True:
            url, headers = f"{emulator.url}/orders/2026-01-01/orders", {"x-amz-access-token": token}
            async with session.get(url, params=parameters, headers=headers) as reply:
                body = await reply.json()
            found += [each for each in body["orders"] if _is_whole(each)]
            following = body.get("pagination", {}).get("nextToken")
            if following is None:
                break
            parameters["paginationToken"] = following
    found.sort(key=lambda order: datetime.fromisoformat(order["lastUpdatedTime"]))
    return [[_version(each, version, items=items) for each in found] for version in range(2)]


def _is_whole(order: dict[str, Any]) -> bool:
    """Whether an order is valid; the emulator, like Amazon, sometimes sends others, which the floor cannot read."""
    try:
        for item in _ORDER.decode(msgspec.json.encode(order)).order_items:
            _ITEM.decode(item)
    except msgspec.ValidationError:
        return False
    return True


def _version(order: dict[str, Any], version: int, *, items: bool) -> dict[str, Any]:
    """The order as it was a year ago (version 0), or shipped (version 1)."""
    changed = copy.deepcopy(order)
    if version == 0:
        moved = datetime.fromisoformat(order["lastUpdatedTime"]) - timedelta(days=365)
        changed["lastUpdatedTime"] = moved.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return changed
    changed["fulfillment"]["fulfillmentStatus"] = "SHIPPED"
    for item in changed["orderItems"] if items else ():
        # One more than was ordered, so that it differs from any previous number.
        item.setdefault("fulfillment", {})["quantityFulfilled"] = item["quantityOrdered"] + 1
    return changed


async def serve(folder: Path) -> None:
    """Serve the orders in a folder as searchOrders does; ``/_version/N`` chooses their version."""
    versions = [
        [
            (datetime.fromisoformat(msgspec.json.decode(raw)["lastUpdatedTime"]), bytes(raw))
            for raw in msgspec.json.decode((folder / f"{number}.json").read_bytes(), type=list[msgspec.Raw])
        ]
        for number in range(2)
    ]
    version = 0

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "Atza|x", "token_type": "bearer", "expires_in": 3600})

    async def choose(request: web.Request) -> web.Response:
        nonlocal version
        version = int(request.match_info["version"])
        return web.Response()

    async def page(request: web.Request) -> web.Response:
        orders = versions[version]
        until = (orders[-1][0] + timedelta(seconds=1)).isoformat()
        first, end = (
            bisect_left(orders, datetime.fromisoformat(asked), key=itemgetter(0))
            for asked in (request.query["lastUpdatedAfter"], request.query.get("lastUpdatedBefore", until))
        )
        skipped = int(request.query.get("paginationToken", 0))
        start = first + skipped
        shown = b",".join(raw for _, raw in orders[start : min(start + SIZE, end)])
        body = b'{"orders":[%b],"lastUpdatedBefore":"%b"' % (shown, until.encode())
        if start + SIZE < end:
            body += b',"pagination":{"nextToken":"%d"}' % (skipped + SIZE)
        headers = {"x-amzn-RateLimit-Limit": "100000"}
        return web.Response(body=body + b"}", content_type="application/json", headers=headers)

    app = web.Application()
    app.router.add_post("/auth/o2/token", token)
    app.router.add_get("/_version/{version}", choose)
    app.router.add_get("/orders/2026-01-01/orders", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


# ---- the floor -------------------------------------------------------------------------------------------------------


class _Money(msgspec.Struct, rename="camel"):
    amount: str | None = None
    currency_code: str | None = None


class _Product(msgspec.Struct, rename="camel"):
    asin: str | None = None
    seller_sku: str | None = None
    title: str | None = None


class _ItemFulfillment(msgspec.Struct, rename="camel"):
    quantity_fulfilled: int | None = None


class _Item(msgspec.Struct, rename="camel"):
    order_item_id: str
    quantity_ordered: int
    product: _Product | None = None
    fulfillment: _ItemFulfillment | None = None


class _Fulfillment(msgspec.Struct, rename="camel"):
    fulfillment_status: str | None = None
    fulfilled_by: str | None = None


class _Channel(msgspec.Struct, rename="camel"):
    channel_name: str | None = None
    marketplace_id: str | None = None


class _Proceeds(msgspec.Struct, rename="camel"):
    grand_total: _Money | None = None


class _Order(msgspec.Struct, rename="camel"):
    order_id: str
    created_time: datetime
    last_updated_time: datetime
    fulfillment: _Fulfillment
    sales_channel: _Channel
    proceeds: _Proceeds | None = None
    order_items: list[msgspec.Raw] = []


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Page(msgspec.Struct, rename="camel"):
    orders: list[msgspec.Raw]
    pagination: _Pagination | None = None


_PAGE, _ORDER, _ITEM = msgspec.json.Decoder(_Page), msgspec.json.Decoder(_Order), msgspec.json.Decoder(_Item)


def _rows(raws: list[msgspec.Raw], now: datetime, number: int, time_of: Callable[[datetime], Any]) -> list[list[Any]]:
    """The rows of a page for the tables of orders, items and changes."""
    orders: list[Any] = []
    items: list[Any] = []
    changes: list[Any] = []
    for raw in raws:
        number += 1
        order, payload = _ORDER.decode(raw), bytes(raw).decode()
        total = (order.proceeds.grand_total if order.proceeds else None) or _Money()
        status, by = order.fulfillment.fulfillment_status, order.fulfillment.fulfilled_by
        updated = time_of(order.last_updated_time)
        orders.append(
            ("s", order.order_id, order.sales_channel.marketplace_id, status, status, by, by,
             order.sales_channel.channel_name, time_of(order.created_time), updated, _amount(total, time_of),
             total.currency_code, len(order.order_items), "o", "whole", time_of(now), b"", payload)
        )  # fmt: skip
        for part in order.order_items:
            item = _ITEM.decode(part)
            product = item.product or _Product()
            shipped = item.fulfillment.quantity_fulfilled if item.fulfillment else None
            items.append(
                ("s", order.order_id, item.order_item_id, product.asin, product.seller_sku, product.title,
                 item.quantity_ordered, shipped, None, None, bytes(part).decode())
            )  # fmt: skip
        changes.append((number, "s", order.order_id, "new", "[]", None, status, "o", updated, time_of(now)))
    return [orders, items, changes]


def _amount(money: _Money, time_of: Callable[[datetime], Any]) -> Any:
    from decimal import Decimal

    return money.amount if time_of is _as_text or money.amount is None else Decimal(money.amount)


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _as_it_is(moment: datetime) -> datetime:
    return moment


_COLUMNS = {"orders": 18, "order_items": 11, "order_changes": 10}
_KEYS = {"orders": "seller, order_id", "order_items": "seller, order_id, order_item_id", "order_changes": "number"}
_KEPT = {
    "orders": "status last_updated_at payload synced_at total_amount items",
    "order_items": "quantity_ordered payload",
    "order_changes": "kind",
}


def _statement(table: str, placeholder: str) -> str:
    values = ", ".join(placeholder if placeholder == "?" else f"${n}" for n in range(1, _COLUMNS[table] + 1))
    kept = ", ".join(f"{name} = excluded.{name}" for name in _KEPT[table].split())
    return f"INSERT INTO {table} VALUES ({values}) ON CONFLICT ({_KEYS[table]}) DO UPDATE SET {kept}"


async def floor(server: str, url: str) -> None:
    """Fetch and commit every page with the minimal loop."""
    if url.startswith("sqlite"):
        await _floor_sqlite(server, url)
    else:
        await _floor_postgres(server, url)


async def _fetched(server: str, session: aiohttp.ClientSession, token: str | None) -> _Page:
    parameters = {"lastUpdatedAfter": _EARLIEST} | ({"paginationToken": token} if token else {})
    headers = {"x-amz-access-token": "Atza|x"}
    async with session.get(f"{server}/orders/2026-01-01/orders", params=parameters, headers=headers) as reply:
        return _PAGE.decode(await reply.read())


async def _floor_sqlite(server: str, url: str) -> None:
    import aiosqlite

    async with aiohttp.ClientSession() as session, aiosqlite.connect(url.removeprefix("sqlite:///")) as database:
        await database.execute("PRAGMA journal_mode=WAL")
        token, number = None, int(time.time() * 1e6)
        while True:
            page = await _fetched(server, session, token)
            rows = _rows(page.orders, datetime.now(UTC), number, _as_text)
            for table, values in zip(_COLUMNS, rows, strict=True):
                await database.executemany(_statement(table, "?"), values)
            await database.commit()
            number += len(page.orders)
            token = page.pagination.next_token if page.pagination else None
            if token is None:
                return


async def _floor_postgres(server: str, url: str) -> None:
    import asyncpg

    host = parse_qs(urlsplit(url).query)["host"][0]
    database = await asyncpg.connect(user="postgres", database=urlsplit(url).path[1:], host=host)
    try:
        async with aiohttp.ClientSession() as session:
            token, number = None, int(time.time() * 1e6)
            while True:
                page = await _fetched(server, session, token)
                rows = _rows(page.orders, datetime.now(UTC), number, _as_it_is)
                async with database.transaction():
                    for table, values in zip(_COLUMNS, rows, strict=True):
                        await database.executemany(_statement(table, "$"), values)
                number += len(page.orders)
                token = page.pagination.next_token if page.pagination else None
                if token is None:
                    return
    finally:
        await database.close()


# ---- measuring -------------------------------------------------------------------------------------------------------


async def ours(server: str, url: str) -> None:
    """The sync."""
    async with Application("app", "secret", endpoint=server) as app:
        seller = app.selling_partner("Atzr|x", region="NA")
        report = await sync_orders([seller], url, since=datetime.fromisoformat(_EARLIEST))
        assert not report.failed, report.failed[0].error


async def turn(server: str, url: str, job: Callable[[str, str], Coroutine[Any, Any, None]]) -> tuple[float, float]:
    """Seconds of processor time to insert all orders into an empty database, and to update all of them."""
    async with OrderDatabase(url):
        pass  # creates the tables
    spent = []
    async with aiohttp.ClientSession() as session:
        for version in range(2):
            async with session.get(f"{server}/_version/{version}") as reply:
                reply.raise_for_status()
            started = time.process_time()
            await job(server, url)
            spent.append(time.process_time() - started)
    return spent[0], spent[1]


async def measure(server: str, new_url: Callable[[], str], orders: int, turns: int) -> dict[str, dict[str, float]]:
    """Microseconds per order, and the multiple of the floor."""
    figures: dict[str, list[tuple[float, float]]] = {"floor": [], "ours": []}
    for number in range(turns + 1):  # the first warms up
        for name, job in (("floor", floor), ("ours", ours)):
            spent = await turn(server, new_url(), job)
            if number:
                figures[name].append(spent)
    result = {}
    for index, work in enumerate(("insert", "update")):
        low, high = ([each[index] for each in figures[name]] for name in ("floor", "ours"))
        result[work] = {
            "floor µs": round(statistics.median(low) / orders * 1e6, 1),
            "ours µs": round(statistics.median(high) / orders * 1e6, 1),
            "times": round(statistics.median(b / a for a, b in zip(low, high, strict=True)), 2),
        }
    return result


def main() -> None:
    """Measure both databases and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--orders", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--items", action="store_true", help="let each update also change the items")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.serve))
        return
    if asked.items and asked.save:
        parser.error("--save and --items exclude each other: saved results are without --items")
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
    from servers import PostgresServer

    with tempfile.TemporaryDirectory() as name, PostgresServer() as postgres:
        folder = Path(name)
        for version, orders in enumerate(asyncio.run(make_orders(asked.orders, items=asked.items))):
            (folder / f"{version}.json").write_bytes(msgspec.json.encode(orders))
        command = [sys.executable, __file__, "--serve", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            server = process.stdout.readline().strip()
            files = iter(range(10_000))
            kinds: dict[str, Callable[[], str]] = {
                "SQLite": lambda: f"sqlite:///{folder / f'{next(files)}.db'}",
                "PostgreSQL": lambda: postgres.create_database().replace("+asyncpg", ""),
            }
            try:
                result = {
                    kind: asyncio.run(measure(server, new, asked.orders, asked.turns)) for kind, new in kinds.items()
                }
            finally:
                process.kill()
    text = msgspec.json.format(msgspec.json.encode(result)).decode()
    print(text)
    if asked.save:
        RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
