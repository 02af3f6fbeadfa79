"""The clients that are compared, each used as its documentation says, against a local server.

A subject is a module with ``DISTRIBUTIONS`` (packages whose versions are recorded) and ``connect(url)``, an
asynchronous context manager that yields a ``Subject``. All pacing is enabled, with enough quota that no client waits.
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

# The floor with our settings of aiohttp.
LOWERED = "aiohttp lowered + msgspec, untyped"


class Subject(Protocol):
    """What ``connect`` yields: for each case a call that returns the number of items that it decoded."""

    calls: Mapping[str, Callable[[int], Awaitable[int]]]
    batch: Callable[[str, int, int], Any] | None
