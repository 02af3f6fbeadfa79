"""The walks of the architecture page are the paths that calls, tokens, pages, documents and rows take."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from walks import walked

from spapi_async import Application, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import sync_orders

PAGE = (Path(__file__).parent.parent / ".github" / "ARCHITECTURE.md").read_text(encoding="utf-8")
WALKS: dict[str, list[str]] = {
    name: re.findall(r"^- `([\w./]+:\w+)`$", steps, re.MULTILINE)
    for name, steps in re.findall(r"<!-- walk: (\w+) -->\n((?:- .*\n)+)", PAGE)
}
GET = "orders_2026_01_01.get_order"


async def call(_: Emulator, seller: SellingPartner) -> list[str]:
    """A call for one order."""
    order_id = await an_order(seller)
    await seller.orders_2026_01_01.get_order(order_id)
    with walked() as steps:
        await seller.orders_2026_01_01.get_order(order_id)
    return steps


async def token(_: Emulator, seller: SellingPartner) -> list[str]:
    """Orders with their buyers, of a seller without tokens."""
    with walked() as steps:
        await seller.orders_v0.get_orders(
            marketplace_ids=["US"], created_after="2020-01-01", data_elements=["buyerInfo"]
        )
    return steps


async def throttled(emulator: Emulator, seller: SellingPartner) -> list[str]:
    """An order whose first request is refused."""
    order_id = await an_order(seller)
    await seller.orders_2026_01_01.get_order(order_id)
    emulator.faults({"operation": GET, "status": 429})
    with walked() as steps:
        await seller.orders_2026_01_01.get_order(order_id)
    return steps


async def page(_: Emulator, seller: SellingPartner) -> list[str]:
    """Three pages of ten."""
    await an_order(seller)
    with walked() as steps:
        async for _order in seller.orders_2026_01_01.iter_orders(created_after="2020-01-01", max_results_per_page=10):
            pass
    return steps


async def document(_: Emulator, seller: SellingPartner) -> list[str]:
    """A report's rows."""
    await an_order(seller)
    with walked() as steps:
        async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as found:
            async for _row in found.iter_rows():
                pass
    return steps


async def row(emulator: Emulator, seller: SellingPartner, folder: Path) -> list[str]:
    """A sync's second run."""
    url = f"sqlite:///{folder / 'orders.db'}"
    await sync_orders([seller], url)
    emulator.change_orders(add=1, at=datetime.now(UTC).timestamp() - 200)
    with walked() as steps:
        await sync_orders([seller], url)
    return steps


async def an_order(seller: SellingPartner) -> str:
    """The id of an order; afterwards a token is cached, and everything is imported."""
    found = await seller.orders_2026_01_01.search_orders(created_after="2020-01-01")
    return found.orders[0].order_id


RECORDED: dict[str, Callable[..., Awaitable[list[str]]]] = {
    "call": call,
    "token": token,
    "429": throttled,
    "page": page,
    "document": document,
    "row": row,
}


@pytest.mark.parametrize("name", WALKS)
async def test_a_walk_is_what_the_page_shows(name: str, tmp_path: Path) -> None:
    """Each step is entered, in that order."""
    async with (
        Emulator(orders=30, processing=0.0, rate_scale=1000) as emulator,
        Application("app", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|walk", region="NA")
        more = (tmp_path,) if name == "row" else ()
        steps = await RECORDED[name](emulator, seller, *more)
    assert _missing(WALKS[name], steps) == []


def test_every_walk_is_recorded() -> None:
    """None is without steps."""
    assert set(WALKS) == set(RECORDED)
    assert all(len(steps) >= 8 for steps in WALKS.values())


def _missing(shown: Sequence[str], steps: Sequence[str]) -> list[str]:
    """Steps of the page that were not entered, or were entered too early."""
    missing, place = [], 0
    for step in shown:
        if step not in steps or steps.index(step) < place:
            missing.append(step)
        else:
            place = steps.index(step)
    return missing
