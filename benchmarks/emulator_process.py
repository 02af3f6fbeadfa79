"""The emulator as the referee, in a process of its own. Prints its URL."""

from __future__ import annotations

import asyncio

from spapi_async.emulator import Emulator


async def _main() -> None:
    async with Emulator() as emulator:
        print(emulator.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
