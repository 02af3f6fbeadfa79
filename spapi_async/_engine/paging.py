"""The pages of an operation as one stream of items.

Amazon's rules differ by operation and are in ``Operation.paging``; this module applies them to any function that
fetches one page, and does not depend on HTTP.

- While the items of a page are returned, the next page is fetched: one page ahead, never more, and not before the first
  item has been requested.
- A page may be empty and still have a successor; only a token that is absent, null or empty ends the stream.
- A repeated token would lead into a cycle: the items of that page are returned, then the iterator raises an error.
- A reply that is not a page, or would make the iteration endless (``page_history``), is an error, never the end.
- ``cursor`` names the current page. After resuming from it, items of that page may be returned a second time; none is
  lost. A page counts as done when the item after its last one is requested.
- An error or a cancellation leaves the iterator where it was: the next request fetches that page again.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from spapi_async._codec.pages import NO_TOKEN, is_empty, items_of, next_token_of, same_name
from spapi_async._core.closing import being_cancelled, uncancelled
from spapi_async._core.home_loop import background
from spapi_async._core.operation import Operation, Paging
from spapi_async._engine.page_history import PageHistory
from spapi_async.errors import ConfigurationError, DecodeError, RateLimitWaitError, SPAPIError

__all__ = ["PageIterator"]

T = TypeVar("T")

Fetch = Callable[..., Awaitable[Any]]
"""``fetch(operation, **arguments)``: :meth:`spapi_async._core.caller.Caller.fetch`."""


class PageIterator(AsyncIterator[T]):
    """The items of a paged operation, across all its pages.

    ``async for item in iterator`` returns items, :meth:`pages` whole pages. ``async with iterator`` or :meth:`aclose`
    ensures that no request is still under way after a loop that was left early.

    Raises:
        ConfigurationError: the operation has no pages, or ``cursor`` belongs to another operation.
        DecodeError: while iterating: a reply is not a page, or would make the iteration endless; ``error.cursor`` names
            the page, and the iterator's next step fetches it again.
        SPAPIError: while iterating: an error of the call itself; a repeated page; a page that cannot be requested.
    """

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_busy",
        "_closed",
        "_done",
        "_fetch",
        "_following",
        "_history",
        "_items",
        "_loaded",
        "_operation",
        "_pages_read",
        "_paging",
        "_prefetch",
        "_token",
    )

    def __init__(
        self,
        fetch: Fetch,
        operation: Operation[Any],
        arguments: Mapping[str, Any],
        *,
        cursor: str | None = None,
    ) -> None:
        if operation.paging is None:
            raise ConfigurationError("this operation has no pages", operation=operation.name)
        self._fetch = fetch
        self._operation = operation
        self._paging: Paging = operation.paging
        self._arguments = dict(arguments)
        started_at = self._arguments.pop(self._paging.token_parameter, None) if self._paging.token_parameter else None
        self._token: str | None = started_at if cursor is None else _token_in(cursor, operation)
        self._following: str | None = None
        self._history = PageHistory(self._token)
        self._items: deque[T] = deque()
        self._loaded = self._done = self._closed = self._busy = False
        self._pages_read = 0
        self._prefetch: asyncio.Task[Any] | None = None

    def __repr__(self) -> str:
        state = "done" if self._done else "closed" if self._closed else "open"
        return f"<PageIterator {self._operation.name} {state}, {self._pages_read} pages read>"

    @property
    def cursor(self) -> str | None:
        """Where to resume: the current page; None after the last item.

        Give it, with the same arguments, to a new iterator of the same operation. Amazon's tokens expire, some within
        30 seconds (``Operation.paging.token_lifetime``); then the call raises Amazon's own error.
        """
        return None if self._done else _cursor(self._operation, self._token)

    async def __anext__(self) -> T:
        if self._items and not self._busy:
            return self._items.popleft()
        while True:
            await self._turn()
            if self._items:
                return self._items.popleft()

    def pages(self) -> AsyncIterator[Any]:
        """Whole pages as the plain method returns them, from the next page on."""
        return _Pages(self._whole_page)

    async def aclose(self) -> None:
        """Stop: cancel the request for the next page and wait until it has ended. ``cursor`` keeps its value."""
        self._closed = True
        self._items.clear()
        task, self._prefetch = _of_this_loop(self._prefetch), None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with uncancelled():
            await self.aclose()

    def __del__(self) -> None:
        # A loop was left by break, without aclose: cancel the request for a page that nobody will read.
        task: asyncio.Task[Any] | None = getattr(self, "_prefetch", None)
        if task is not None:
            _abandon(task)

    async def _whole_page(self) -> Any:
        page = await self._turn()
        self._items.clear()
        return page

    async def _turn(self) -> Any:
        """Move to the next page and return it; its items are returned next."""
        if self._busy:
            raise RuntimeError("another task is already waiting for the next item of this iterator")
        self._busy = True
        try:
            self._leave_page()
            page = await self._take_page()
        finally:
            self._busy = False
        if self._closed:
            raise StopAsyncIteration
        # There is no await between here and the return: a cancellation leaves the iterator before or after this page.
        items, following = items_of(page, self._paging), next_token_of(page, self._paging)
        if problem := self._problem(items, following):
            del page, items  # no traceback shows the content of a page
            raise self._located(DecodeError(problem))
        self._items = deque(items or ())
        self._following = None if following is NO_TOKEN else following
        self._loaded = True
        self._pages_read += 1
        self._start_prefetch()
        return page

    def _leave_page(self) -> None:
        """The current page is done: move to its successor, or stop."""
        if self._closed or self._done:
            raise StopAsyncIteration
        if not self._loaded:
            return
        cannot_ask = self._paging.token_parameter is None
        if self._following is None or (cannot_ask and not self._paging.items_path):
            # If the page itself is the item (Data Kiosk's getQuery), its token is for the caller.
            self._done = True
            raise StopAsyncIteration
        if cannot_ask:
            raise SPAPIError(
                "Amazon says that there are more pages, but this operation has no parameter to request them",
                operation=self._operation.name,
            )
        if self._history.was_followed(self._following):
            raise DecodeError(
                f"page {self._pages_read} names as its successor a page that was read before; "
                "stopped, because the iteration would never end",
                operation=self._operation.name,
                cursor=self.cursor,
            )
        self._token, self._following, self._loaded = self._following, None, False
        self._history.follow(self._token)

    def _problem(self, items: tuple[Any, ...] | list[Any] | None, following: Any) -> str | None:
        """Why the page just read must not be accepted; None if it may be."""
        by_token = self._token is not None
        if following is NO_TOKEN and (by_token or items is not None):
            return "it has an invalid value in place of the next page's token"
        if not self._paging.items_path:
            return None
        return self._history.problem(
            items, empty=items is None or is_empty(items), by_token=by_token, last=following in (None, NO_TOKEN)
        )

    def _located(self, error: DecodeError) -> DecodeError:
        """The same error, with the number of the page and the cursor that fetches that page again."""
        error.operation = error.operation or self._operation.name
        error.cursor = self.cursor
        error.message = f"page {self._pages_read + 1} of this iteration: {error.message}"
        error.args = (error.message,)
        return error

    async def _take_page(self) -> Any:
        task = _of_this_loop(self._prefetch)
        try:
            if task is None:
                return await self._fetch(self._operation, **_arguments(self._operation, self._arguments, self._token))
            return await task
        except DecodeError as error:
            raise self._located(error) from error.__cause__
        except RateLimitWaitError:
            if task is None:
                raise
            # the prefetch would have waited too long; now that the page is needed, the wait may be short enough
        except asyncio.CancelledError:
            if self._closed and not being_cancelled():
                raise StopAsyncIteration from None
            raise
        finally:
            self._prefetch = None
        return await self._take_page()

    def _start_prefetch(self) -> None:
        following = self._following
        if following is None or self._paging.token_parameter is None or self._history.was_followed(following):
            return
        arguments = _arguments(self._operation, self._arguments, following)
        self._prefetch = background(
            _call(self._fetch, self._operation, arguments), f"next page of {self._operation.name}"
        )
        # If nobody requests that page, its error is not reported either.
        self._prefetch.add_done_callback(lambda task: task.cancelled() or task.exception())


class _Pages(AsyncIterator[Any]):
    """An iterator over whole pages."""

    __slots__ = ("_next_page",)

    def __init__(self, next_page: Callable[[], Awaitable[Any]]) -> None:
        self._next_page = next_page

    async def __anext__(self) -> Any:
        return await self._next_page()


async def _call(fetch: Fetch, operation: Operation[Any], arguments: dict[str, Any]) -> Any:
    # A separate function, so that the task does not keep an abandoned iterator alive.
    return await fetch(operation, **arguments)


def _of_this_loop(task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
    """The request for a page, if it can be awaited here; one of another loop is abandoned."""
    if task is None or task.get_loop() is asyncio.get_running_loop():
        return task
    _abandon(task)
    return None


def _abandon(task: asyncio.Task[Any]) -> None:
    """Cancel a request whose loop may have ended, be paused, or run in another thread."""
    if not task.done() and not task.get_loop().is_closed():
        task.get_loop().call_soon_threadsafe(task.cancel)


# --- Amazon's rules --------------------------------------------------------------------------------------------------


def _arguments(operation: Operation[Any], arguments: dict[str, Any], token: str | None) -> dict[str, Any]:
    """The arguments for the page at ``token``; the first page's are the caller's own."""
    if token is None:
        return dict(arguments)
    paging = operation.paging
    assert paging is not None
    assert paging.token_parameter is not None
    kept = dict(arguments)
    if paging.rule != "repeat":
        # getReports and getFeeds refuse other parameters beside the token; inbound v0 requires the marketplace with it.
        beside = {"data_elements"} if paging.rule == "alone" else {"data_elements", "marketplace_id"}
        beside |= {p.name for p in operation.parameters if p.location in ("path", "header")}
        kept = {name: value for name, value in arguments.items() if name in beside}
    if paging.rule == "next_token_query":
        kept["query_type"] = "NEXT_TOKEN"
    if any(p.name == paging.token_parameter for p in operation.parameters):
        kept[paging.token_parameter] = token
    else:
        kept["body"] = _body_with(kept.get("body"), paging.token_parameter, token)
    return kept


def _body_with(body: Any, name: str, token: str) -> Any:
    """Data Kiosk's createQuery takes its token inside the body."""
    if isinstance(body, msgspec.Struct):
        return msgspec.structs.replace(body, **{name: token})
    members = dict(body or {})
    key = next((key for key in members if same_name(key, name)), _camel_case(name))
    return {**members, key: token}


def _camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


# --- cursors ---------------------------------------------------------------------------------------------------------

_CURSOR_VERSION = 1


def _cursor(operation: Operation[Any], token: str | None) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((_CURSOR_VERSION, operation.name, token))).decode()


def _token_in(cursor: str, operation: Operation[Any]) -> str | None:
    try:
        packed = base64.urlsafe_b64decode(cursor)
        version, name, token = msgspec.msgpack.decode(packed, type=tuple[int, str, str | None])
    except ValueError:
        raise ConfigurationError("cursor must be the cursor of an iterator", operation=operation.name) from None
    if version != _CURSOR_VERSION:
        raise ConfigurationError(
            f"cursor has version {version}, but this library reads {_CURSOR_VERSION}: start from the beginning",
            operation=operation.name,
        )
    if name != operation.name:
        raise ConfigurationError(f"cursor belongs to {name}, another operation", operation=operation.name)
    return token
