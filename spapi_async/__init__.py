"""An asyncio-native client for Amazon's Selling Partner API, with rate limiting built in.

::

    async with Application(client_id="...", client_secret="...") as app:
        seller = app.selling_partner(refresh_token="Atzr|...", region=Region.NA)
        found = await seller.orders_2026_01_01.get_order("902-3159896-1390916")
        print(found.order.last_updated_time, to_json(found.order))
"""

from importlib import import_module

from spapi_async._version import __version__

TYPE_CHECKING = False  # type checkers know this name; typing is imported when something needs it
if TYPE_CHECKING:
    from spapi_async import errors
    from spapi_async._client.application import Application, SellingPartner
    from spapi_async._client.connect import connect
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
    from spapi_async._core.health import Health
    from spapi_async._core.operation import Operation
    from spapi_async._core.options import CallOptions, Priority, call_options
    from spapi_async._core.removal import SPAPIDeprecationWarning
    from spapi_async._engine.paging import PageIterator
    from spapi_async._engine.retry import RetryPolicy
    from spapi_async._engine.transport import Timeout
    from spapi_async.errors import *  # noqa: F403 -- the whole tree, once
    from spapi_async.marketplaces import Marketplace, Region
    from spapi_async.workflows.sellers import SellerDirectory

__all__ = [
    "Application",
    "CallFinished",
    "CallOptions",
    "DocumentFinished",
    "Event",
    "Health",
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
    "SellerDirectory",
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
# Where each name is, to be imported when it is first asked for: a test run that loads the pytest plugin, or a command
# line that prints its help, does not pay for aiohttp; and a Ctrl-C that comes half a second before aiohttp is there
# finds `spapi-async` ready for it.
_HOMES = {
    "_client.application": ("Application", "SellingPartner"),
    "_client.connect": ("connect",),
    "_codec.json": ("to_json",),
    "_codec.response": (
        "Response",
        "Violation",
    ),
    "_core.events": (
        "CallFinished",
        "DocumentFinished",
        "Event",
        "Observer",
        "RateChanged",
        "RequestFinished",
        "Throttled",
        "TokenIssued",
        "ViolationsFound",
        "Waited",
    ),
    "_core.health": ("Health",),
    "_core.operation": ("Operation",),
    "_core.options": (
        "CallOptions",
        "Priority",
        "call_options",
    ),
    "_core.removal": ("SPAPIDeprecationWarning",),
    "_engine.paging": ("PageIterator",),
    "_engine.retry": ("RetryPolicy",),
    "_engine.transport": ("Timeout",),
    "errors": (
        "ApiError",
        "AuthError",
        "BadRequestError",
        "ClosedError",
        "ConfigurationError",
        "ConflictError",
        "ConnectionFailedError",
        "DecodeError",
        "DocumentError",
        "DocumentTruncatedError",
        "DocumentUrlExpiredError",
        "ErrorDetail",
        "FeedCancelledError",
        "FeedFatalError",
        "ForbiddenError",
        "LWAError",
        "LeaseError",
        "LeaseHeldError",
        "LeaseLostError",
        "NotFoundError",
        "OutcomeUnknownError",
        "PayloadTooLargeError",
        "QueryCancelledError",
        "QueryFatalError",
        "QuotaExceededError",
        "RateLimitWaitError",
        "ReportCancelledError",
        "ReportFatalError",
        "RequestTimeoutError",
        "SPAPIError",
        "SPAPIWarning",
        "ServerError",
        "TransportError",
        "UnprocessableError",
        "UnsupportedMediaTypeError",
        "error_for_status",
    ),
    "marketplaces": (
        "Marketplace",
        "Region",
    ),
    "workflows.sellers": ("SellerDirectory",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    __all__ += errors.__all__
else:
    __all__ += [*_HOMES["errors"]]  # noqa: PLE0604 - they are strings

if not TYPE_CHECKING:  # type checkers have the imports above, and report a misspelt name

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
