"""Upload a picture for A+ content with progress, download a file from a presigned URL, decode a label.

Run it: ``python examples/documents/send_and_fetch_files.py``. It starts an emulator of its own and contacts no other
server.
"""

import asyncio
import base64
import tempfile
from pathlib import Path

from spapi_async import Application, DocumentUrlExpiredError, Region, SellingPartner
from spapi_async.emulator import Emulator
from spapi_async.workflows.documents import label_bytes


async def send_picture(seller: SellingPartner, picture: Path) -> str:
    """Upload a picture for A+ content; the content document then refers to the returned id."""

    def progress(sent: int, total: int | None) -> None:
        print(f"\r{sent:,} of {total:,} bytes sent", end="")

    where = "aplus/2020-11-01/contentDocuments"
    destination = await seller.documents.upload(
        picture, "image/png", resource=where, marketplace="US", progress=progress
    )
    print()
    return destination


async def fetch(seller: SellingPartner, url: str, target: Path) -> None:
    """Save the file at a presigned URL from a reply, such as an invoice, a schema or a label."""
    try:
        async with seller.documents.url(url) as document:
            size = await document.save(target)
    except DocumentUrlExpiredError as error:
        print(f"the URL has expired: {error}")
    else:
        print(f"{target.name}: {size:,} bytes of {document.content_type}")


async def main() -> None:
    """Upload a file, download another one, and decode a label."""
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
        contents = base64.b64encode(b"^XA^FO20,20^FDTEA^FS^XZ").decode()  # as in PackageDocument.contents
        print(label_bytes(contents).decode())


if __name__ == "__main__":
    asyncio.run(main())
