"""Buyers of orders: by default not stored; on request stored separately and encrypted, readable only with the key.

Run it: ``python examples/personal_data/buyers.py``, with the extras ``sync`` and ``encryption``. It starts an emulator
of its own and contacts no other server.
"""

import asyncio
import tempfile
from pathlib import Path

from spapi_async import Application
from spapi_async.emulator import Emulator
from spapi_async.workflows.orders import DEFAULT_DATASETS, OrderDatabase, PersonalKeys, sync_orders


async def main(folder: Path) -> None:
    """Sync twice: by default, and with buyers."""
    keys = PersonalKeys.from_env({"SP_API_PERSONAL_KEYS": PersonalKeys.new().reveal()})
    async with (
        Emulator(orders=20, rate_scale=1000) as emulator,
        Application("any", "any", endpoint=emulator.url) as app,
    ):
        seller = app.selling_partner("Atzr|one", marketplace="US")
        async with OrderDatabase(f"sqlite:///{folder}/usual.db") as usual:
            await sync_orders([seller], usual)
            order_ids = [change.order_id async for change in usual.changes(after=None)]
            if not [each for each in order_ids if await usual.personal_data(seller.name, each)]:
                print("no buyer is stored by default")
        async with OrderDatabase(f"sqlite:///{folder}/buyers.db", personal=keys) as with_buyers:
            await sync_orders([seller], with_buyers, datasets=[*DEFAULT_DATASETS, "BUYER"])
            for order_id in order_ids:
                if found := await with_buyers.personal_data(seller.name, order_id):
                    print(f"{order_id} of {seller.name} has a {', '.join(found)}, encrypted on disk")
                    break


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name)))
