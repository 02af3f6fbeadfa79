"""A report as rows, as a Parquet file with typed columns, and the items of a JSON report, one at a time.

Run it: ``python examples/documents/read_documents.py``. It starts an emulator of its own and contacts no other server.
The Parquet file needs the extra ``arrow``.
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec
import pyarrow as pa

from spapi_async import Application, Region, SellingPartner
from spapi_async.emulator import Emulator


class Sale(msgspec.Struct, rename="kebab"):
    """The fields of an item that this program uses; all others are ignored."""

    amazon_order_id: str
    sku: str
    item_price: str


async def document_of(seller: SellingPartner, report_type: str) -> str:
    """The document id of a new report, which the emulator finishes at once."""
    reports = seller.reports_2021_06_30
    made = await reports.create_report(body={"reportType": report_type, "marketplaceIds": ["ATVPDKIKX0DER"]})
    report = await reports.get_report(made.report_id)
    assert report.report_document_id
    return report.report_document_id


async def read_rows(seller: SellingPartner, document_id: str) -> None:
    """Add up the quantities; this takes a few hundred kilobytes of memory, whatever the size of the report."""
    sold = 0
    async with seller.documents.report(document_id) as document:
        async for row in document.iter_rows():
            sold += int(row["quantity"])
        quoted = "quoted" if document.quoted else "not quoted"
        print(f"{sold} sold; the file is in {document.charset}, {quoted}, {document.uneven} uneven rows")


async def write_parquet(seller: SellingPartner, document_id: str, path: Path) -> None:
    """Save the rows as Parquet; columns are text unless the schema gives them a type."""
    schema = {"quantity": pa.int32(), "item-price": pa.decimal128(12, 2)}
    async with seller.documents.report(document_id) as document:
        rows = await document.save_parquet(path, schema=schema)
    print(f"{rows} rows in {path.name}")


async def read_json(seller: SellingPartner, document_id: str) -> None:
    """Read the items of an array in a large JSON object, one at a time."""
    async with seller.documents.report(document_id) as document:
        async for sale in document.iter_json_items("rows", type=Sale):
            print(sale.amazon_order_id, sale.sku, sale.item_price)
            break


async def main() -> None:
    """Read two reports of the emulator in three ways."""
    async with (
        Emulator(orders=200, processing=0.0) as emulator,
        Application("amzn1.application-oa2-client.example", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|example", region=Region.NA)
        orders = await document_of(seller, "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL")
        await read_rows(seller, orders)
        with tempfile.TemporaryDirectory() as directory:
            await write_parquet(seller, orders, Path(directory) / "orders.parquet")
        await read_json(seller, await document_of(seller, "GET_SALES_AND_TRAFFIC_REPORT"))


if __name__ == "__main__":
    asyncio.run(main())
