"""Files that go up and come down: a picture for A+ content with its progress, a file at a presigned URL, a label.

Run it: ``python examples/documents/send_and_fetch_files.py``. It starts an emulator of its own and talks to nothing
else.
"""

import asyncio
import base64
import tempfile
from pathlib import Path

from spapi_async import Application, DocumentUrlExpiredError, Region, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.documents import label_bytes


async def send_picture(seller: SellingPartner, picture: Path) -> str:
    """Upload to a destination for A+ content; the id goes into the content document."""

    def progress(sent: int, total: int | None) -> None:
        print(f"\r{sent:,} of {total:,} bytes sent", end="")

    where = "aplus/2020-11-01/contentDocuments"
    destination = await seller.documents.upload(
        picture, "image/png", resource=where, marketplace="US", progress=progress
    )
    print()
    return destination


async def fetch(seller: SellingPartner, url: str, target: Path) -> None:
    """Save what is at a presigned URL out of a reply: an invoice, a schema, a label."""
    try:
        async with seller.documents.url(url) as document:
            size = await document.save(target)
    except DocumentUrlExpiredError as error:
        print(f"too late: {error}")
    else:
        print(f"{target.name}: {size:,} bytes of {document.content_type}")


async def main() -> None:
    """Send one file, fetch another, unpack a third."""
    async with (
        Emulator(orders=20, processing=0.0) as emulator,
        Application("amzn1.application-oa2-client.example", "secret", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|example", region=Region.NA)
        with tempfile.TemporaryDirectory() as directory:
            picture = Path(directory) / "tea.png"
            picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200_000))
            print(f"uploaded as {await send_picture(seller, picture)}")

            feeds = seller.feeds_2021_06_30
            sent = await seller.documents.upload(b'{"header": {}, "messages": []}')
            body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": ["ATVPDKIKX0DER"], "inputFeedDocumentId": sent}
            feed = await feeds.get_feed((await feeds.create_feed(body=body)).feed_id)
            assert feed.result_feed_document_id
            reply = await feeds.get_feed_document(feed.result_feed_document_id)
            await fetch(seller, reply.url, Path(directory) / "result.json.gz")
            await fetch(seller, reply.url.replace("X-Amz-Expires=300", "X-Amz-Expires=0"), Path(directory) / "late")
        contents = base64.b64encode(b"^XA^FO20,20^FDTEA^FS^XZ").decode()  # as PackageDocument.contents holds it
        print(label_bytes(contents).decode())


if __name__ == "__main__":
    asyncio.run(main())
