"""The README's Python code runs, from top to bottom, with the emulator."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from sqs_server import send

import spapi_async
from spapi_async import Application, Marketplace
from spapi_async.api import NAMESPACES, operations
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = [
    ROOT / "examples" / folder / "README.md"
    for folder in re.findall(
        r"^\| \[(\w+)\]", (ROOT / "examples" / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
]
PAGES = "".join([README, *(guide.read_text(encoding="utf-8") for guide in GUIDES)])
REPORT = {"reportType": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL", "marketplaceIds": ["ATVPDKIKX0DER"]}


def python_blocks() -> list[str]:
    """The code blocks of the front page and then of the guides, in the order of the map."""
    return re.findall(r"```python\n(.*?)```", PAGES, re.DOTALL)


async def real_names(app: Application) -> dict[str, str]:
    """The emulator's values for the README's made-up ids."""
    seller = app.selling_partner("Atzr|…", region="NA")
    page = await seller.orders_2026_01_01.search_orders(created_after="2020-01-01")
    listings = await seller.listings_items_2021_08_01.search_listings_items("A1…", marketplace_ids=[Marketplace.US])
    return {
        "902-3159896-1390916": page.orders[0].order_id,
        "TEA/POT 1": listings.items[0].sku,
        "B07XJ8C8F5": product_at(0, 1).asin,
        "asyncio.run(": "await (",
        "message.content.amazon_order_id)": "message.content.amazon_order_id); break",
    }


@pytest.mark.long
async def test_every_python_block_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqs_queue: str) -> None:
    """They run as one program, with an endpoint and ids that exist; the output is not checked."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(orders=40, processing=0.0) as emulator:

        class Pointed(Application):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, endpoint=emulator.url, **options)

        monkeypatch.setattr(spapi_async, "Application", Pointed)
        async with Pointed("id", "secret") as app:
            seller = app.selling_partner("Atzr|…", marketplace="US", seller_id="A1…")
            made = await seller.reports_2021_06_30.create_report(body=REPORT)
            report = await seller.reports_2021_06_30.get_report(made.report_id)
            text = "".join(python_blocks())
            await send(sqs_queue, ['{"notificationType": "ORDER_CHANGE", "payload": {"orderChangeNotification": {}}}'])
            queue = {"https://sqs.us-east-1.amazonaws.com/123456789012/orders": sqs_queue}
            for made_up, real in (await real_names(app) | queue).items():
                assert made_up in text
                text = text.replace(made_up, real)
            names: dict[str, Any] = {}
            arguments = "app, seller, report_document_id, client_id, client_secret"
            exec(f"async def readme({arguments}):\n{textwrap.indent(text, '    ')}", names)
            await names["readme"](app, seller, report.report_document_id, "id", "secret")


def test_the_number_of_operations_is_true() -> None:
    """So is that of the modules."""
    assert f"{len(operations())} in {len(NAMESPACES)} modules" in README


async def test_the_docstring_of_the_package_runs() -> None:
    """Its only example runs with an endpoint and an order that exists."""
    _, _, text = (spapi_async.__doc__ or "").partition("::\n")
    async with Emulator(orders=40) as emulator:

        def pointed(client_id: str, client_secret: str) -> Application:
            return Application(client_id, client_secret, endpoint=emulator.url)

        async with pointed("id", "secret") as app:
            order_id = (await real_names(app))["902-3159896-1390916"]
        text = text.replace("902-3159896-1390916", order_id).replace("Atzr|...", "Atzr|…")  # one seller
        names: dict[str, Any] = {each: getattr(spapi_async, each) for each in spapi_async.__all__}
        names["Application"] = pointed
        exec(f"async def example():\n{text}", names)
        await names["example"]()


def test_every_event_is_named() -> None:
    """Readers need not look in the source for events."""
    events = [name for name in spapi_async.__all__ if _is_event(getattr(spapi_async, name))]
    assert len(events) == 8
    assert [name for name in events if name not in PAGES] == []


def _is_event(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, spapi_async.Event) and value is not spapi_async.Event
