"""A catalogue crawl of a whole file in one call; you can stop it and start it again at any time.

Run it: ``python examples/look_ups/crawl_catalog.py``. It starts an emulator of its own and contacts no other server.
"""

import asyncio
import tempfile
from pathlib import Path

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.bulk import crawl, read_identifiers


async def main(folder: Path) -> None:
    """Look up the ASINs in a file with the quota of two sellers."""
    asins = folder / "asins.txt"
    asins.write_text("B000000007\nB0ROJS1ACB\nB000000000\nB000000007\n")
    async with (
        Emulator() as emulator,
        Application("amzn1.application-oa2-client.example", "secret", endpoint=emulator.url) as app,
    ):
        sellers = [app.selling_partner(f"Atzr|{name}", marketplace="US") for name in ("one", "two")]
        report = await crawl("catalog", sellers, read_identifiers(asins), folder / "items.jsonl")
        print(f"{report.found} found, {report.missing} not found, {report.failed} failed, {report.skipped} twice")
    print((folder / "items.jsonl").read_text()[:200], "…")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
