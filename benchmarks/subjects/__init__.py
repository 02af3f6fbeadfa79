"""The clients that are compared, each driven as its own documentation says and pointed at a local server.

A subject is a module with ``DISTRIBUTIONS`` (what to record the versions of) and ``connect(url)``, an asynchronous
context manager that yields a ``Subject``. The others' pacing stays switched on and is given room, as ours is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "LOWERED", "REFRESH_TOKEN", "SUBJECTS", "Subject"]

CLIENT_ID = "amzn1.application-oa2-client.benchmark"
CLIENT_SECRET = "amzn1.oa2-cs.v1.benchmark"
REFRESH_TOKEN = "Atzr|benchmark"

# name in tables -> module in this directory
SUBJECTS = {
    "aiohttp + msgspec, untyped": "floor",
    "spapi_async": "ours",
    "amzn-selling-partner (async)": "amzn_selling_partner_async",
    "python-amazon-sp-api (async)": "python_amazon_sp_api_async",
    "amzn-sp-api (sync)": "amzn_sp_api_sync",
}

# The floor once more, with our settings of aiohttp.
LOWERED = "aiohttp lowered + msgspec, untyped"


class Subject(Protocol):
    """What a subject yields: for each case a call that returns how many things it decoded."""

    calls: Mapping[str, Callable[[int], Awaitable[int]]]
    batch: Callable[[str, int, int], Any] | None
