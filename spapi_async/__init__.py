"""An asyncio-native client for Amazon's Selling Partner API, with rate limiting built in.

::

    async with Application(client_id="...", client_secret="...") as app:
        seller = app.selling_partner(refresh_token="Atzr|...", region=Region.NA)
        found = await seller.orders_2026_01_01.get_order("902-3159896-1390916")
        print(found.order.last_updated_time, to_json(found.order))
"""

from spapi_async import errors
from spapi_async._client.application import Application
from spapi_async._client.connect import connect
from spapi_async._client.selling_partner import SellingPartner
from spapi_async._codec.json import to_json
from spapi_async._codec.response import Response, Violation
from spapi_async._core.events import (
    CallFinished,
    DocumentFinished,
    Event,
    Observer,
    RateChanged,
    RequestFinished,
    Throttled,
    TokenIssued,
    ViolationsFound,
    Waited,
)
from spapi_async._core.operation import Operation
from spapi_async._core.options import CallOptions, Priority, call_options
from spapi_async._core.removal import SPAPIDeprecationWarning
from spapi_async._engine.paging import PageIterator
from spapi_async._engine.retry import RetryPolicy
from spapi_async._engine.transport import Timeout
from spapi_async._version import __version__
from spapi_async.errors import *  # noqa: F403 -- the whole tree, once
from spapi_async.marketplaces import Marketplace, Region

__all__ = [
    "Application",
    "CallFinished",
    "CallOptions",
    "DocumentFinished",
    "Event",
    "Marketplace",
    "Observer",
    "Operation",
    "PageIterator",
    "Priority",
    "RateChanged",
    "Region",
    "RequestFinished",
    "Response",
    "RetryPolicy",
    "SPAPIDeprecationWarning",
    "SellingPartner",
    "Throttled",
    "Timeout",
    "TokenIssued",
    "Violation",
    "ViolationsFound",
    "Waited",
    "__version__",
    "call_options",
    "connect",
    "to_json",
]
__all__ += errors.__all__
