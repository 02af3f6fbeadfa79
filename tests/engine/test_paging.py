"""Pages as one stream: Amazon's token rules, one page fetched ahead, cycles, resuming, cancellation."""

import asyncio
import base64
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest

from spapi_async._core.operation import Operation, Paging, Parameter, UsagePlan
from spapi_async._core.wire import Model
from spapi_async._engine.paging import PageIterator
from spapi_async.errors import ConfigurationError, DecodeError, NotFoundError, RateLimitWaitError, SPAPIError


class Pagination(Model):
    """The object that holds the token."""

    next_token: str | None = None


class Page(Model):
    """Items, and a token inside another object."""

    items: list[Any] | None = None
    pagination: Pagination | None = None


PARAMETERS = tuple(
    Parameter(name=name, wire_name=name, location=location, type="str", encoding=encoding)  # type: ignore[arg-type]
    for name, location, encoding in [
        ("seller_id", "path", "segment"),
        ("created_after", "query", "plain"),
        ("page_size", "query", "plain"),
        ("query_type", "query", "plain"),
        ("marketplace_id", "query", "plain"),
        ("next_token", "query", "plain"),
        ("business_id", "header", "header"),
    ]
)


def an_operation(
    parameters: tuple[Parameter, ...] = PARAMETERS, name: str = "things_v1.get_things", **facts: Any
) -> Operation[Any]:
    """A paged operation of a made-up API."""
    rules: dict[str, Any] = {
        "token_parameter": "next_token",
        "token_path": ("pagination", "next_token"),
        "items_path": ("items",),
        "page_size_parameter": "page_size",
    }
    return Operation(
        name=name,
        id="getThings",
        method="GET",
        path="/{seller_id}/things",
        usage_plan=UsagePlan(rate=1, burst=1),
        parameters=parameters,
        paging=Paging(**{**rules, **facts}),
    )


THINGS = an_operation()


def a_page(items: list[Any] | None, token: str | None = None) -> Page:
    """One page as a method returns it."""
    return Page(items=items, pagination=Pagination(next_token=token))


class PagedServer:
    """Answers with pages by token, and records the arguments of each request."""

    def __init__(self, pages: Mapping[str | None, Any], key: Callable[[dict[str, Any]], Any] | None = None) -> None:
        self.pages = dict(pages)
        self.asked: list[dict[str, Any]] = []
        self.running = 0
        self._key = key or (lambda arguments: arguments.get("next_token"))

    async def __call__(self, _operation: Operation[Any], /, **arguments: Any) -> Any:
        """Fetch a page."""
        self.asked.append(arguments)
        self.running += 1
        try:
            await asyncio.sleep(0)
            page = self.pages[self._key(arguments)]
            if isinstance(page, asyncio.Event):
                await page.wait()
            if isinstance(page, BaseException):
                raise page
            return page
        finally:
            self.running -= 1

    @property
    def tokens(self) -> list[Any]:
        """The tokens asked for, in order."""
        return [self._key(arguments) for arguments in self.asked]


THREE = {None: a_page([1, 2], "b"), "b": a_page([3], "c"), "c": a_page([4, 5])}


async def collect(iterator: AsyncIterator[Any]) -> list[Any]:
    """Everything that is left."""
    return [item async for item in iterator]


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def other_tasks() -> set[asyncio.Task[Any]]:
    """The tasks of the loop but for the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


# --- the stream ------------------------------------------------------------------------------------------------------


async def test_items_come_in_order_across_pages() -> None:
    """Each page is requested once."""
    shop = PagedServer(THREE)
    assert await collect(PageIterator(shop, THINGS, {})) == [1, 2, 3, 4, 5]
    assert shop.tokens == [None, "b", "c"]
    assert not other_tasks()


async def test_whole_pages_can_be_iterated() -> None:
    """Callers get what a page holds beside its items."""
    assert await collect(PageIterator(PagedServer(THREE), THINGS, {}).pages()) == list(THREE.values())


async def test_an_empty_page_with_a_token_is_not_the_end() -> None:
    """Many of Amazon's lists filter after paging; only a missing token ends them."""
    pages = {None: a_page([], "b"), "b": a_page(None, "c"), "c": a_page([1], "d"), "d": a_page([])}
    assert await collect(PageIterator(PagedServer(pages), THINGS, {})) == [1]


@pytest.mark.parametrize(
    "last", [a_page([1]), a_page([1], ""), Page(items=[1]), {"items": [1]}, {"items": [1], "pagination": None}]
)
async def test_an_absent_null_or_empty_token_ends_the_stream(last: Any) -> None:
    """All three occur in Amazon's wording."""
    shop = PagedServer({None: last})
    iterator = PageIterator[Any](shop, THINGS, {})
    assert await collect(iterator) == [1]
    assert await collect(iterator) == []
    assert len(shop.asked) == 1


@pytest.mark.parametrize(
    ("page", "items"),
    [
        ({"Items": [1, 2]}, [1, 2]),
        (Page(items={"asin": "B0"}), [{"asin": "B0"}]),  # type: ignore[arg-type]
        (Page(items=Pagination()), [Pagination()]),  # type: ignore[arg-type]
        (Page(items="garbage", pagination="garbage"), []),  # type: ignore[arg-type]
        (None, []),
        ([], []),
        ("garbage", []),
    ],
)
async def test_pages_that_broke_their_model_do_not_break_the_stream(page: Any, items: list[Any]) -> None:
    """A page may be a plain dict, hold one object instead of a list, or be empty."""
    assert await collect(PageIterator(PagedServer({None: page}), THINGS, {})) == items


async def test_tokens_are_found_in_plain_dicts_too() -> None:
    """A page whose envelope did not fit its type still leads to the next one."""
    pages = {None: {"items": [1], "Pagination": {"nextToken": "b"}}, "b": a_page([2])}
    assert await collect(PageIterator(PagedServer(pages), THINGS, {})) == [1, 2]


# --- Amazon's rules --------------------------------------------------------------------------------------------------

EVERYTHING = {
    "seller_id": "S",
    "created_after": "2026",
    "page_size": 50,
    "query_type": "DATE_RANGE",
    "marketplace_id": "M",
    "business_id": "B",
    "data_elements": ("buyerInfo",),
    "next_token": None,
}


@pytest.mark.parametrize(
    ("rule", "second"),
    [
        ("repeat", EVERYTHING | {"next_token": "b"}),
        ("alone", {"seller_id": "S", "business_id": "B", "data_elements": ("buyerInfo",), "next_token": "b"}),
        (
            "next_token_query",
            {
                "seller_id": "S",
                "business_id": "B",
                "data_elements": ("buyerInfo",),
                "marketplace_id": "M",
                "query_type": "NEXT_TOKEN",
                "next_token": "b",
            },
        ),
    ],
)
async def test_arguments_beside_the_token_follow_the_operations_rule(rule: str, second: dict[str, Any]) -> None:
    """Most want every argument repeated; getReports refuses any; inbound v0 wants QueryType and the marketplace."""
    shop = PagedServer({None: a_page([1], "b"), "b": a_page([2])})
    await collect(PageIterator(shop, an_operation(rule=rule), EVERYTHING))
    first = {name: value for name, value in EVERYTHING.items() if name != "next_token"}
    assert shop.asked == [first, second]


@pytest.mark.parametrize("body", [{"query": "q"}, Pagination()])
async def test_a_token_may_belong_in_the_body(body: Any) -> None:
    """Data Kiosk's createQuery takes it beside the query; the caller's own body is not changed."""
    operation = an_operation(parameters=())

    def token(arguments: dict[str, Any]) -> Any:
        body = arguments["body"]
        return body.next_token if isinstance(body, Pagination) else body.get("nextToken")

    shop = PagedServer({None: a_page([1], "b"), "b": a_page([2])}, token)
    assert await collect(PageIterator(shop, operation, {"body": body})) == [1, 2]
    assert shop.tokens == [None, "b"]
    assert body in ({"query": "q"}, Pagination())


async def test_a_token_among_the_arguments_is_where_iteration_begins() -> None:
    """A caller that kept Amazon's own token can continue from it."""
    shop = PagedServer(THREE)
    assert await collect(PageIterator(shop, THINGS, {"next_token": "b"})) == [3, 4, 5]


async def test_a_token_that_no_parameter_takes_is_an_error() -> None:
    """The inbound v0 getShipmentItemsByShipmentId returns a token and takes none."""
    operation = an_operation(token_parameter=None)
    iterator = PageIterator[Any](PagedServer({None: a_page([1], "b")}), operation, {})
    assert await anext(iterator) == 1
    with pytest.raises(SPAPIError, match="more pages"):
        await anext(iterator)


async def test_a_page_that_is_its_own_item_leaves_the_token_to_the_caller() -> None:
    """The token of Data Kiosk's getQuery is for a new createQuery."""
    operation = an_operation(token_parameter=None, items_path=())
    page = a_page(None, "b")
    assert await collect(PageIterator(PagedServer({None: page}), operation, {})) == [page]


def test_an_operation_without_pages_is_refused() -> None:
    """The error comes before anything is sent."""
    operation = Operation[Any](name="a.b", id="b", method="GET", path="/", usage_plan=UsagePlan(rate=1, burst=1))
    with pytest.raises(ConfigurationError, match="no pages"):
        PageIterator(PagedServer({}), operation, {})


# --- cycles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [{None: a_page([1], "b"), "b": a_page([2], "b")}, THREE | {"c": a_page([4, 5], "b")}])
async def test_a_repeated_token_is_an_error(pages: Any) -> None:
    """Each page of the cycle is handed out once, then the iterator raises."""
    shop = PagedServer(pages)
    iterator = PageIterator[Any](shop, THINGS, {})
    items = []

    async def take() -> None:
        async for item in iterator:
            items.append(item)  # noqa: PERF401 - the items before the error count

    with pytest.raises(DecodeError, match="would never end") as caught:
        await take()
    assert items == sorted(set(items))
    assert len(shop.asked) == len(pages)
    assert caught.value.operation == "things_v1.get_things"
    assert caught.value.cursor == iterator.cursor
    assert caught.value.cursor is not None


async def test_a_cycle_back_to_the_cursor_is_an_error() -> None:
    """A resumed iterator remembers the token at which it began."""
    iterator = PageIterator[Any](PagedServer({"b": a_page([2], "b")}), THINGS, {"next_token": "b"})
    with pytest.raises(SPAPIError, match="would never end"):
        await collect(iterator)


# --- one page ahead --------------------------------------------------------------------------------------------------


async def test_nothing_is_fetched_before_the_first_item_is_requested() -> None:
    """Creating an iterator costs no quota."""
    shop = PagedServer(THREE)
    iterator = PageIterator[Any](shop, THINGS, {})
    await settle()
    assert shop.tokens == []
    await iterator.aclose()


async def test_one_page_is_fetched_ahead_and_no_more() -> None:
    """While the first page is handed out, the second is being fetched and the third is not."""
    shop = PagedServer(THREE)
    async with PageIterator[Any](shop, THINGS, {}) as iterator:
        assert await anext(iterator) == 1
        await settle()
        assert shop.tokens == [None, "b"]
        assert await anext(iterator) == 2
        await settle()
        assert shop.tokens == [None, "b"]
        assert await anext(iterator) == 3
        await settle()
        assert shop.tokens == [None, "b", "c"]


CALLER: ContextVar[str] = ContextVar("caller", default="")


async def test_the_next_page_is_fetched_with_the_callers_options() -> None:
    """Call options are context variables, which the fetching task inherits."""
    seen = []

    async def fetch(_operation: Operation[Any], /, **arguments: Any) -> Any:
        seen.append(CALLER.get())
        return THREE[arguments.get("next_token")]

    CALLER.set("bulk")
    await collect(PageIterator(fetch, THINGS, {}))
    assert seen == ["bulk"] * 3


async def test_an_error_of_the_next_page_is_raised_when_that_page_is_due() -> None:
    """The items at hand come first; the next request for an item fetches the page again."""
    shop = PagedServer(THREE | {"b": NotFoundError("gone")})
    iterator = PageIterator[Any](shop, THINGS, {})
    assert [await anext(iterator), await anext(iterator)] == [1, 2]
    with pytest.raises(NotFoundError):
        await anext(iterator)
    shop.pages["b"] = THREE["b"]
    assert await collect(iterator) == [3, 4, 5]
    assert shop.tokens == [None, "b", "b", "c"]


async def test_an_error_of_the_first_page_can_be_retried() -> None:
    """The iterator stays where it was."""
    shop = PagedServer(THREE | {None: NotFoundError("gone")})
    iterator = PageIterator[Any](shop, THINGS, {})
    with pytest.raises(NotFoundError):
        await anext(iterator)
    shop.pages[None] = THREE[None]
    assert await collect(iterator) == [1, 2, 3, 4, 5]


async def test_a_refused_wait_is_raised_only_when_the_page_is_due() -> None:
    """Quota may be short when the page is fetched ahead, and available when it is needed."""
    shop = PagedServer(THREE | {"b": RateLimitWaitError("too long", retry_after=180)})
    iterator = PageIterator[Any](shop, THINGS, {})
    assert await anext(iterator) == 1
    await settle()
    shop.pages["b"] = THREE["b"]
    assert await collect(iterator) == [2, 3, 4, 5]
    assert shop.tokens == [None, "b", "b", "c"]


# --- resuming --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "rest"), [(0, [1, 2, 3, 4, 5]), (1, [1, 2, 3, 4, 5]), (2, [1, 2, 3, 4, 5]), (3, [3, 4, 5]), (4, [4, 5])]
)
async def test_a_cursor_resumes_at_the_current_page(taken: int, rest: list[int]) -> None:
    """Items of that page may come again; none is lost, whenever the process dies."""
    async with PageIterator[Any](PagedServer(THREE), THINGS, {}) as iterator:
        for _ in range(taken):
            await anext(iterator)
        cursor = iterator.cursor
    assert iterator.cursor == cursor
    assert isinstance(cursor, str)
    assert await collect(PageIterator(PagedServer(THREE), THINGS, {}, cursor=cursor)) == rest


async def test_a_finished_iterator_has_no_cursor() -> None:
    """None means that everything was handed out."""
    iterator = PageIterator[Any](PagedServer(THREE), THINGS, {})
    await collect(iterator)
    assert iterator.cursor is None


async def test_a_cursor_after_an_error_names_the_page_that_failed() -> None:
    """The pages before it are not fetched again."""
    iterator = PageIterator[Any](PagedServer(THREE | {"b": NotFoundError("gone")}), THINGS, {})
    with pytest.raises(NotFoundError):
        await collect(iterator)
    assert await collect(PageIterator(PagedServer(THREE), THINGS, {}, cursor=iterator.cursor)) == [3, 4, 5]


def test_a_cursor_of_another_operation_is_refused() -> None:
    """The error names the operation; Amazon's would not."""
    cursor = PageIterator[Any](PagedServer({}), THINGS, {}).cursor
    with pytest.raises(ConfigurationError, match=r"belongs to things_v1\.get_things"):
        PageIterator(PagedServer({}), an_operation(name="things_v1.get_others"), {}, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "xyz", "!!!!", "é", "AAAA"])
def test_a_damaged_cursor_is_refused(cursor: str) -> None:
    """A truncated file does not start the whole run again."""
    with pytest.raises(ConfigurationError, match="cursor"):
        PageIterator(PagedServer({}), THINGS, {}, cursor=cursor)


# --- stopping early --------------------------------------------------------------------------------------------------


async def test_aclose_cancels_the_request_for_the_next_page() -> None:
    """The request has ended when aclose returns, no task is left, and no more items are handed out."""
    shop = PagedServer(THREE | {"b": asyncio.Event()})
    iterator = PageIterator[Any](shop, THINGS, {})
    await anext(iterator)
    await settle()
    assert shop.running == 1
    await iterator.aclose()
    assert (shop.running, other_tasks()) == (0, set())
    assert await collect(iterator) == []
    await iterator.aclose()


async def test_aclose_while_another_task_waits_ends_that_wait() -> None:
    """The waiting task sees the end of the stream, not a cancellation that it did not ask for."""
    shop = PagedServer({None: a_page([1], "b"), "b": asyncio.Event()})
    iterator = PageIterator[Any](shop, THINGS, {})
    waiter = asyncio.create_task(collect(iterator))
    await settle()
    assert (shop.running, waiter.done()) == (1, False)
    await iterator.aclose()
    assert await waiter == [1]
    assert not other_tasks()


async def test_a_caller_cancelled_while_its_iterator_is_closed_is_cancelled() -> None:
    """With a normal end it would continue as if it had read everything."""
    shop = PagedServer({None: a_page([1], "b"), "b": asyncio.Event()})
    iterator = PageIterator[Any](shop, THINGS, {})
    waiter = asyncio.create_task(collect(iterator))
    await settle()
    assert shop.running == 1
    waiter.cancel()
    await iterator.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_aclose_during_the_first_request_ends_the_stream_after_it() -> None:
    """The waiting task's own request is not cancelled, but its page is not handed out."""
    gate = asyncio.Event()

    async def fetch(_operation: Operation[Any], /, **_arguments: Any) -> Any:
        await gate.wait()
        return a_page([1], "b")

    iterator = PageIterator[Any](fetch, THINGS, {})
    waiter = asyncio.create_task(collect(iterator))
    await settle()
    assert not waiter.done()
    await iterator.aclose()
    gate.set()
    assert await waiter == []
    assert not other_tasks()


@pytest.mark.parametrize("end", ["ended", "closed", "paused"])
@pytest.mark.parametrize("step", ["read on", "close"])
def test_an_iteration_goes_on_in_a_second_loop(end: str, step: str) -> None:
    """The page that was being fetched in the first loop is fetched again."""
    shop = PagedServer(THREE | {"b": asyncio.Event()})
    iterator = PageIterator[Any](shop, THINGS, {})

    async def begin() -> Any:
        item = await anext(iterator)
        await settle()
        return item

    loop = asyncio.new_event_loop()
    assert (asyncio.run if end == "ended" else loop.run_until_complete)(begin()) == 1
    if end == "closed":
        loop.close()
    shop.pages["b"] = THREE["b"]
    if step == "close":
        asyncio.run(iterator.aclose())
    assert asyncio.run(collect(iterator)) == ([] if step == "close" else [2, 3, 4, 5])
    if end == "paused":
        loop.run_until_complete(settle())
        assert asyncio.all_tasks(loop) == set()  # the request that the loop left was cancelled
    loop.close()


async def test_a_loop_left_early_leaves_no_request() -> None:
    """Collecting the iterator cancels the request for the next page."""
    shop = PagedServer(THREE | {"b": asyncio.Event()})

    async def first() -> Any:
        async for item in PageIterator[Any](shop, THINGS, {}):
            await settle()
            assert (shop.running, shop.tokens) == (1, [None, "b"])  # the page ahead is on its way
            return item
        return None

    assert await first() == 1
    gc.collect()
    await settle()
    assert (shop.running, other_tasks()) == (0, set())


async def test_an_error_of_a_page_that_nobody_read_is_not_logged() -> None:
    """Asyncio would log an exception that was never retrieved."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    iterator = PageIterator[Any](PagedServer(THREE | {"b": NotFoundError("gone")}), THINGS, {})
    await anext(iterator)
    await settle()
    del iterator
    gc.collect()
    await settle()
    assert complaints == []


@pytest.mark.parametrize("stuck_at", [None, "b"])
async def test_a_cancelled_wait_cancels_the_request_and_can_be_repeated(stuck_at: str | None) -> None:
    """Neither the first page nor one that is fetched ahead loses an item."""
    shop = PagedServer(THREE | {stuck_at: asyncio.Event()})
    iterator = PageIterator[Any](shop, THINGS, {})
    before = [] if stuck_at is None else [await anext(iterator), await anext(iterator)]
    waiter = asyncio.ensure_future(anext(iterator))
    await settle()
    assert shop.running == 1
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert (shop.running, other_tasks()) == (0, set())
    shop.pages[stuck_at] = THREE[stuck_at]
    assert before + await collect(iterator) == [1, 2, 3, 4, 5]


async def test_no_item_is_lost_or_repeated_after_a_cancellation_at_any_step() -> None:
    """No task is left, either."""
    cancelled_with: dict[bool, set[int]] = {
        False: set(),
        True: set(),
    }  # was a request under way: items taken
    finished = False
    for steps in range(40):
        shop = PagedServer(THREE)
        iterator = PageIterator[Any](shop, THINGS, {})
        taken: list[Any] = []

        async def take(iterator: PageIterator[Any] = iterator, taken: list[Any] = taken) -> None:
            async for item in iterator:
                taken.append(item)  # noqa: PERF401 - what was taken before the cancellation counts

        task = asyncio.create_task(take())
        for _ in range(steps):
            await asyncio.sleep(0)
        finished = task.done()
        cancelled_with[bool(shop.running)].add(len(taken))
        task.cancel()
        await asyncio.wait([task])
        assert taken + await collect(iterator) == [1, 2, 3, 4, 5]
        await iterator.aclose()
        assert not other_tasks()
        if finished:
            break
    assert finished
    assert cancelled_with[True] >= {0, 2, 3}  # during the first request and during that for each further page


async def test_two_tasks_cannot_wait_on_one_iterator() -> None:
    """Like an asynchronous generator, it raises RuntimeError."""
    shop = PagedServer(THREE | {None: asyncio.Event()})
    iterator = PageIterator[Any](shop, THINGS, {})
    first = asyncio.ensure_future(anext(iterator))
    await settle()
    with pytest.raises(RuntimeError, match="another task"):
        await anext(iterator)
    first.cancel()
    await asyncio.wait([first])


async def test_the_repr_shows_progress_and_no_token() -> None:
    """Tokens may encode a seller's filters."""
    iterator = PageIterator[Any](PagedServer(THREE), THINGS, {"created_after": "secret"})
    await collect(iterator)
    assert repr(iterator) == "<PageIterator things_v1.get_things done, 3 pages read>"


def test_a_cursor_of_another_version_of_this_library_is_refused() -> None:
    """Its meaning may have changed."""
    packed = msgspec.msgpack.encode((2, THINGS.name, "b"))
    with pytest.raises(ConfigurationError, match=r"version 2"):
        PageIterator(PagedServer({}), THINGS, {}, cursor=base64.urlsafe_b64encode(packed).decode())
