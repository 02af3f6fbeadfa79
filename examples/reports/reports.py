"""A report as rows, in one step and in three; a year of orders as one stream; a report that survives a restart.

Run it: ``python examples/reports/reports.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spapi_async import Application, ReportCancelledError, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.journal import Journal
from spapi_async.workflows.reports import REPORT_TYPES

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def count_listings(seller: SellingPartner) -> int:
    """In one step: request a report, wait for it and read it."""
    async with seller.reports.download(REPORT_TYPES.GET_MERCHANT_LISTINGS_ALL_DATA, marketplaces=["US"]) as document:
        return len([row["seller-sku"] async for row in document.iter_rows()])


async def read_a_year_of_orders(seller: SellingPartner) -> int:
    """Thirteen reports, because each covers thirty days at most, read as one file; months without orders are empty."""
    async with seller.reports.download(
        REPORT_TYPES.GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL,
        marketplaces=["US", "CA", "MX"],
        start=TODAY - timedelta(days=365),
        end=TODAY,
        no_data="empty",
    ) as document:
        return len({row["amazon-order-id"] async for row in document.iter_rows()})  # a row for each item


async def request_report(seller: SellingPartner) -> str:
    """The first of three steps, after which this process "ends"."""
    run = await seller.reports.request("GET_FBA_MYI_ALL_INVENTORY_DATA", marketplaces=["US"])
    return run.report_id


async def resume_report(seller: SellingPartner, path: Path) -> str:
    """Make the same request again, which finds the report under way instead of requesting another one."""
    run = await seller.reports.request("GET_FBA_MYI_ALL_INVENTORY_DATA", marketplaces=["US"])
    await run.wait()
    async with run.document() as document:
        await document.save(path)
    return run.report_id


async def main() -> None:
    """Run each of them on an emulator."""
    with tempfile.TemporaryDirectory() as folder:
        journal = f"sqlite:///{folder}/runs.db"
        async with Emulator(orders=120, processing=0.5, rate_scale=1000) as emulator:
            async with Application("app", "secret", endpoint=emulator.url, journal=Journal(journal)) as app:
                seller = app.selling_partner("Atzr|example", marketplace="US")
                print(f"{await count_listings(seller)} listings")
                print(f"{await read_a_year_of_orders(seller)} orders")
                requested = await request_report(seller)
            async with Application("app", "secret", endpoint=emulator.url, journal=Journal(journal)) as app:
                seller = app.selling_partner("Atzr|example", marketplace="US")
                found = await resume_report(seller, Path(folder) / "inventory.tsv")
                print(f"the same report after a restart: {requested == found}")
                try:
                    run = await seller.reports.request(
                        "GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"], options={"emulatorOutcome": "CANCELLED"}
                    )
                    await run.wait()
                except ReportCancelledError as error:
                    print(f"cancelled; somebody asked for it: {error.asked_for}")


if __name__ == "__main__":
    asyncio.run(main())
