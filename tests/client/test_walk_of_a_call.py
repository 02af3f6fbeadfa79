"""The path of one call through the package, recorded with a profile hook."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import spapi_async
from spapi_async import Application
from spapi_async.emulator import Emulator

PACKAGE = Path(spapi_async.__file__).parent
ORDER = "902-0000000-0000000"

LADDER = ("api/orders_v0.py", "_client/handle.py", "_engine/pipeline.py", "_engine/call.py")
STEPS = {
    "api/orders_v0.py": "the method",
    "_client/handle.py": "whose call it is",
    "_engine/pipeline.py": "quota, token, transport, retries",
    "_engine/call.py": "what is asked, and how long it may take",
    "_codec/request.py": "arguments to bytes",
    "ratelimit/local/_limiter.py": "a token of every bucket",
    "auth/_authenticator.py": "an access token",
    "_engine/transport.py": "the exchange",
    "_engine/connections.py": "a connection on which nothing was heard since",
    "_codec/response.py": "bytes to a value",
}


def file_of(frame: FrameType | None) -> str:
    """The file of a frame below the package; empty outside of it."""
    path = Path(frame.f_code.co_filename) if frame is not None else PACKAGE
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) and path != PACKAGE else ""


async def test_a_call_enters_the_files_in_order() -> None:
    """Each step is a file with one purpose; values (_core) are not a step."""
    entered: list[str] = []

    def hook(frame: FrameType, event: str, _argument: Any) -> None:
        here, above = file_of(frame), file_of(frame.f_back)
        if event == "call" and here and here not in entered and above in (*LADDER, ""):
            entered.append(here)

    async with Emulator(synthetic=True) as emulator, Application("a", "b", endpoint=emulator.url) as app:
        seller = app.selling_partner("Atzr|x", region="na")
        await seller.orders_v0.get_order(ORDER)  # the first call imports, and fetches a token
        sys.setprofile(hook)
        try:
            await seller.orders_v0.get_order(ORDER)
        finally:
            sys.setprofile(None)
    walked = [name for name in entered if not name.startswith(("emulator/", "_core/"))]
    assert walked == list(STEPS)
