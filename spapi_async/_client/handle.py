"""A key into an application's shared state, for one selling partner, with every operation as a method."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from spapi_async._client.registry import WORKFLOWS, Workflows, make_workflow
from spapi_async._codec.response import Response
from spapi_async._core.operation import Operation
from spapi_async._core.removal import makes_coroutine, warn_of_removal
from spapi_async._core.resources import Resources
from spapi_async._engine.paging import PageIterator
from spapi_async._engine.pipeline import Pipeline
from spapi_async.credentials import Account
from spapi_async.marketplaces import Marketplace, Region

if TYPE_CHECKING:
    from spapi_async.api import Namespaces
else:
    Namespaces = object  # the real class only tells type checkers what __getattr__ finds

__all__ = ["Handle"]

T = TypeVar("T")


class Handle(Workflows, Namespaces):
    """The methods of a :class:`~spapi_async.SellingPartner`, which adds the application that it belongs to."""

    __slots__ = ("__dict__", "_account", "_pipeline", "_resources", "marketplace", "seller_id")

    def __init__(
        self,
        pipeline: Pipeline,
        resources: Resources,
        account: Account,
        seller_id: str | None,
        marketplace: Marketplace | None,
    ) -> None:
        self._pipeline = pipeline
        self._resources = resources
        self._account = account
        self.seller_id = seller_id
        self.marketplace = marketplace

    @makes_coroutine
    def call(self, operation: Operation[T], /, **arguments: Any) -> Coroutine[Any, Any, Response[T]]:
        """Call any operation and get the whole reply: body, status, headers, request id, rate limit, violations.

        Raises:
            SPAPIError: see :mod:`spapi_async.errors` for the tree.
        """
        if not operation.stays:
            warn_of_removal(operation)
        return self._pipeline.send(self._account, operation, arguments)

    @makes_coroutine
    def fetch(self, operation: Operation[T], /, **arguments: Any) -> Coroutine[Any, Any, T]:
        """Call any operation and get the decoded body, payload unwrapped; the generated methods call this."""
        if not operation.stays:
            warn_of_removal(operation)
        return self._pipeline.fetch(self._account, operation, arguments)

    def iterate(
        self, operation: Operation[Any], /, *, cursor: str | None = None, **arguments: Any
    ) -> PageIterator[Any]:
        """Iterate over the items of all pages of a paged operation; the generated ``iter_`` methods call this."""
        if not operation.stays:
            warn_of_removal(operation)
        return PageIterator(self.fetch, operation, arguments, cursor=cursor)

    @property
    def region(self) -> Region:
        """The region this handle calls."""
        return self._account.region

    def forecast(
        self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None, *, count: int = 1
    ) -> float:
        """Seconds until the last of ``count`` calls made now could be sent; 0.0 means at once. Sends nothing.

        ``arguments`` matter where a limit depends on one, such as a report type. The forecast cannot include later
        calls with a higher priority or changes of a rate.
        """
        return self._pipeline.forecast(self._account, operation, arguments, count)

    def note_throttled(self, operation: Operation[Any], arguments: Mapping[str, Any] | None = None) -> None:
        """Tell the limiter that an item in a batch reply had the status 429; it counts as a 429 of the call."""
        self._pipeline.throttled(self._account, operation, arguments)

    @property
    def name(self) -> str:
        """The seller's name in events, limits and logs: ``"A1EXAMPLE@na"`` if the seller id was given, else ``key``."""
        return self._account.name

    @property
    def key(self) -> str:
        """Identifies this seller's credential without any secret; equals ``name`` if no seller id was given."""
        return self._account.key

    @property
    def payer(self) -> str:
        """Identifies this seller's buckets in saved state."""
        return self._account.payer

    if not TYPE_CHECKING:  # type checkers find the namespaces in Namespaces, and report a misspelt one

        def __getattr__(self, name: str) -> Any:
            # Called once for each namespace and handle: the namespace is then kept in the instance's dictionary.
            from spapi_async.api import NAMESPACES

            if name in WORKFLOWS:
                namespace = make_workflow(name, self, self._resources)
            elif name in NAMESPACES:
                namespace = getattr(import_module(f"spapi_async.api.{name}"), NAMESPACES[name])(self)
            else:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self.__dict__[name] = namespace
            return namespace

    def __dir__(self) -> Iterable[str]:
        from spapi_async.api import NAMESPACES

        return sorted({*super().__dir__(), *NAMESPACES, *WORKFLOWS})

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SellingPartner cannot be pickled: it belongs to an Application of this process")

    def __repr__(self) -> str:
        return f"<SellingPartner {self._account.name}>"
