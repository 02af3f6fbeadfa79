"""The batchers of an application: shared by all handles on a seller, separate for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

from spapi_async._core.caller import Caller
from spapi_async._core.options import CallOptions, current_options
from spapi_async._core.resources import Resources
from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace
from spapi_async.workflows.lookups._batcher import Batcher
from spapi_async.workflows.lookups._rule import Rule

__all__ = ["LookUps"]

_MOST_KEPT = 1000
"""Batchers above which idle ones are dropped, because an application may serve thousands of sellers."""

_Kept = dict[Hashable, Batcher[Any, Any]]


class _Batchers:
    """All batchers of an application, by event loop."""

    __slots__ = ("_by_loop",)

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Kept] = WeakKeyDictionary()

    def here(self) -> _Kept:
        """Those of the running loop."""
        loop = asyncio.get_running_loop()
        kept = self._by_loop.get(loop)
        if kept is None:
            kept = self._by_loop[loop] = {}
        return kept

    def close(self) -> None:
        """The application is closed."""
        for kept in list(self._by_loop.values()):
            for batcher in kept.values():
                batcher.close()


class LookUps:
    """The look-ups of one seller, or of several that share the work; the base class of the workflows."""

    __slots__ = ("_batchers", "_callers", "_kept", "_loop", "_name", "_near", "_raw", "_resources")

    def __init__(self, caller: Caller, resources: Resources, *others: Caller, raw: bool = False) -> None:
        self._callers: Sequence[Caller] = (caller, *others)
        self._name = tuple(each.key for each in self._callers)
        self._resources = resources
        self._raw = raw
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kept: _Kept = {}
        self._near: _Kept = {}  # the batchers that this handle has used, by its callers' arguments
        batchers = resources.shared.setdefault(("", "lookups"), _Batchers())
        assert isinstance(batchers, _Batchers)
        self._batchers = batchers

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(self._name)}>"

    def variant(self, *others: Self, raw: bool = False) -> Self:
        """The same look-ups, also with the quota of other sellers, or (``raw``) with Amazon's JSON as bytes.

        Raises:
            ConfigurationError: the others belong to another application.
        """
        if any(other._resources is not self._resources for other in others):  # noqa: SLF001  of the same class
            raise ConfigurationError("the sellers of a pool must belong to one application")
        callers = [caller for other in others for caller in other._callers]  # noqa: SLF001
        return type(self)(self._callers[0], self._resources, *self._callers[1:], *callers, raw=raw)

    def _look_up(
        self,
        rule: Rule[Any, Any],
        key: Any,
        make_group: Callable[..., Hashable],
        marketplace: Marketplace | str | None,
        *facts: Hashable,
    ) -> Awaitable[Any]:
        """The answer for a key in a marketplace, with further facts that a request's keys have in common.

        It finds the batcher by the caller's arguments and is not a coroutine, because every frame costs time in each
        look-up.
        """
        loop = asyncio.get_running_loop()
        options = current_options()
        name = (rule.name, options.timeout, marketplace, facts)
        if loop is self._loop:
            try:
                batcher = self._near.get(name)
            except TypeError:  # not hashable: reported by _place
                batcher = None
            if batcher is not None and not batcher.forgotten:
                return batcher.ask(key, options)
        batcher = self._batcher(rule, make_group(self._place(marketplace), *facts), options)
        if len(self._near) >= _MOST_KEPT:
            self._near.clear()
        self._near[name] = batcher
        return batcher.ask(key, options)

    def _ask(self, rule: Rule[Any, Any], group: Hashable, key: Any) -> Awaitable[Any]:
        """The answer for a key of a group."""
        options = current_options()
        return self._batcher(rule, group, options).ask(key, options)

    def _batcher(self, rule: Rule[Any, Any], group: Hashable, options: CallOptions) -> Batcher[Any, Any]:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._kept, self._near = loop, self._batchers.here(), {}
        name = (rule.name, self._name, group, options.timeout, self._raw)
        batcher = self._kept.get(name)
        if batcher is None:
            if len(self._kept) >= _MOST_KEPT:
                for old in [old for old, each in self._kept.items() if each.idle]:
                    self._kept.pop(old).forgotten = True
            batcher = Batcher(rule, group, self._callers, timeout=options.timeout, raw=self._raw)
            self._kept[name] = batcher
        return batcher

    def _place(self, marketplace: Marketplace | str | None) -> Marketplace:
        """The given marketplace, or else the seller's.

        Raises:
            ConfigurationError: there is neither.
        """
        if marketplace is not None:
            return marketplace if isinstance(marketplace, Marketplace) else Marketplace.parse(marketplace)
        place = self._callers[0].marketplace
        if place is None or any(caller.marketplace is not place for caller in self._callers[1:]):
            raise ConfigurationError(
                "no marketplace is known: give marketplace=, or create the seller with selling_partner(…, "
                "marketplace=…)"
            )
        return place

    def _seller_id(self) -> str:
        """The seller's id.

        Raises:
            ConfigurationError: the handle does not know it.
        """
        seller_id = self._callers[0].seller_id
        if not seller_id:
            raise ConfigurationError(
                "this look-up needs the seller's id: create the seller with selling_partner(…, seller_id=…)"
            )
        return seller_id
