"""A campaign against the hostile server: calls, iterations and syncs, and what must be true of each.

``python tests/support/hostile_campaign.py SEED FAULTS`` runs one outside the suite.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from hostile_server import BUYER, ORDERS, HostileServer, order_id
from insides import token_endpoint

from spapi_async import Application, OutcomeUnknownError, RetryPolicy, SellingPartner, SPAPIError, call_options
from spapi_async.workflows.orders import OrderDatabase, sync_orders

__all__ = ["Campaign", "hostile_application", "locals_shown", "run_campaign"]

CLIENT_SECRET, REFRESH_TOKEN = "MARK-client-secret", "Atzr|MARK-refresh"
TIMEOUT, DEADLINE = 0.2, 4.0
WORKERS = 40
LATE = 20.0
"""Seconds after which a call with that deadline is late on any machine."""
TRUTH = {order_id(number) for number in range(ORDERS)}


class Campaign(msgspec.Struct):
    """What was done, and which guarantees were broken."""

    seed: int
    calls: Counter[str] = msgspec.field(default_factory=Counter)
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    complaints: list[str] = []
    requests: int = 0
    faulted: int = 0
    kinds: int = 0
    seconds: float = 0.0

    def complain(self, what: str) -> None:
        """Record a broken guarantee."""
        if len(self.complaints) < 20:
            self.complaints.append(what)


def locals_shown(error: BaseException) -> str:
    """Everything that exception reporters would print of an error but its source lines, and more.

    It includes the locals of every frame, causes and contexts that would not be printed, and notes.
    """
    shown, pending, seen = [], [error], set()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        shown += [str(each), repr(each), *getattr(each, "__notes__", ())]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            shown += map(_safe_repr, frame.f_locals.values())
        pending += [other for other in (each.__cause__, each.__context__) if other is not None]
        pending += getattr(each, "exceptions", ())
    return "\n".join(shown)


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an object that is not made yet, say
        return object.__repr__(value)


@asynccontextmanager
async def hostile_application(server: HostileServer, **options: Any) -> AsyncIterator[Application]:
    """An application of the hostile server that retries without long pauses."""
    options = {"retry": RetryPolicy(attempts=2, base=0.001, throttled_attempts=3), **options}
    async with Application("app", CLIENT_SECRET, endpoint=server.url, max_reply_size=2_000_000, **options) as app:
        endpoint = token_endpoint(app)
        endpoint.retry_delays, endpoint.timeout = (0.001, 0.001), TIMEOUT
        yield app


async def run_campaign(seed: int, faults: int, *, share: float = 0.6, kinds: tuple[str, ...] = ()) -> Campaign:
    """Run steps until the server has answered so many requests wrongly."""
    campaign = Campaign(seed)
    started = time.monotonic()
    before = asyncio.all_tasks(), _descriptors()
    async with HostileServer(seed, share=share, kinds=kinds) as server, hostile_application(server) as app:
        seller = app.selling_partner(REFRESH_TOKEN, region="na", seller_id="A1")
        steps = enumerate(_steps(random.Random(seed)))

        async def work() -> None:
            while server.faulted < faults and not campaign.complaints:
                number, step = next(steps)
                await _timed(campaign, step, server, seller, number)

        await asyncio.gather(*(work() for _ in range(WORKERS)))
        campaign.requests, campaign.faulted, campaign.kinds = server.requests, server.faulted, len(server.met)
        for document, effects in server.effects.items():
            if effects > 1:
                campaign.complain(f"createFeed of {document} acted {effects} times")
    await asyncio.sleep(0.05)
    left = asyncio.all_tasks() - before[0]
    if left:
        campaign.complain(f"tasks left: {[task.get_name() for task in left]}")
    if _descriptors() > before[1]:
        campaign.complain("descriptors left open")
    campaign.seconds = time.monotonic() - started
    return campaign


def _descriptors() -> int:
    """Return how many file descriptors are open; 0 where the system does not say."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else 0


Step = Callable[[Campaign, HostileServer, SellingPartner, int], Any]


def _steps(rng: random.Random) -> Iterator[Step]:
    """Some steps of each kind, since a busy machine has time for few of them, and then any number in any order."""
    for step, _ in WEIGHTS:
        yield from [step] * 4
    while True:
        yield rng.choices([step for step, _ in WEIGHTS], weights=[weight for _, weight in WEIGHTS])[0]


async def _timed(campaign: Campaign, step: Step, server: HostileServer, seller: SellingPartner, number: int) -> None:
    name = step.__name__
    campaign.calls[name] += 1
    try:
        with call_options(timeout=TIMEOUT, deadline=DEADLINE):
            await step(campaign, server, seller, number)
    except SPAPIError as error:
        _note(campaign, error)
    except Exception as error:  # noqa: BLE001 - the point of it
        campaign.complain(f"{name} {number}: {''.join(traceback.format_exception(error))[-3000:]}")


def _note(campaign: Campaign, error: SPAPIError) -> None:
    kind = type(error).__name__
    campaign.errors[kind] += 1
    if campaign.errors[kind] < 60 or campaign.errors.total() % 20 == 0:
        shown = locals_shown(error)
        for secret in ("MARK-", BUYER, CLIENT_SECRET):
            if secret in shown:
                at = shown.index(secret)
                campaign.complain(f"a secret shows in {kind}: {shown[max(at - 300, 0) : at + 60]}")


async def get_order(campaign: Campaign, server: HostileServer, seller: SellingPartner, number: int) -> None:
    started = time.monotonic()
    try:
        order = await seller.orders_v0.get_order(order_id(number))
        found = getattr(order, "amazon_order_id", None)
        if _is_another(found, number) and not server.overtook(order_id(number)):
            campaign.complain(f"order {order_id(number)} was answered with {found}")
    finally:
        if time.monotonic() - started > LATE:
            campaign.complain(f"order {number}: {time.monotonic() - started:.1f} s")


async def get_address(campaign: Campaign, server: HostileServer, seller: SellingPartner, number: int) -> None:
    address = await seller.orders_v0.get_order_address(order_id(number))
    found = getattr(address, "amazon_order_id", None)
    if _is_another(found, number) and not server.overtook(order_id(number)):
        campaign.complain(f"address of {order_id(number)} was answered with {found}")


def _is_another(found: Any, number: int) -> bool:
    return found not in (None, order_id(number)) and str(found).startswith("902-")


async def create_feed(campaign: Campaign, server: HostileServer, seller: SellingPartner, number: int) -> None:
    document = f"doc-{number}"
    body = {
        "feedType": "POST_ORDER_ACKNOWLEDGEMENT_DATA",
        "marketplaceIds": ["ATVPDKIKX0DER"],
        "inputFeedDocumentId": document,
    }
    try:
        made = await seller.feeds_2021_06_30.create_feed(body=body)
    except OutcomeUnknownError:
        raise
    except SPAPIError as error:
        if server.effects[document]:
            campaign.complain(f"createFeed acted and ended as {error!r}")
        raise
    if made is None or getattr(made, "feed_id", None) is None:
        campaign.complain(f"createFeed succeeded without a feed id: {made!r}")
    if not await server.has_met(document):
        campaign.complain("createFeed succeeded and had not acted")


async def iterate_orders(campaign: Campaign, server: HostileServer, seller: SellingPartner, number: int) -> None:
    pages = seller.orders_2026_01_01.iter_orders(last_updated_after=f"2026-01-01T00:00:00.{number:06}Z")
    await _read_all(campaign, server, pages, number, lambda order: getattr(order, "order_id", None))


async def iterate_transactions(campaign: Campaign, server: HostileServer, seller: SellingPartner, number: int) -> None:
    pages = seller.finances_2024_06_19.iter_transactions(posted_after=f"2026-01-01T00:00:00.{number:06}Z")
    await _read_all(campaign, server, pages, number, lambda each: getattr(each, "transaction_id", None))


async def _read_all(
    campaign: Campaign, server: HostileServer, pages: Any, number: int, identify: Callable[[Any], Any]
) -> None:
    found: list[Any] = []
    for _ in range(100):
        try:
            async for each in pages:  # items before an error are kept
                found.append(identify(each))  # noqa: PERF401
        except SPAPIError as error:
            _note(campaign, error)
            await asyncio.sleep(error.retry_after or 0)  # calls fail at once while LWA is unreachable
        else:
            break
    else:
        campaign.complain(f"iteration {number} never ended")
    await pages.aclose()
    known = [each for each in found if each in TRUTH]
    empty = any(f"{number:06}Z" in query and "oken=" not in query for query in server.ended_empty)
    kept = len(found) - len(known)  # entries that are not orders
    if len(set(known)) + kept < len(TRUTH) and not (empty and not known) and not server.overtook(f"{number:06}Z"):
        campaign.complain(f"iteration {number} ended after {len(known)} of {len(TRUTH)}")
    if len(known) != len(set(known)):
        campaign.complain(f"iteration {number} handed out an item twice")


async def sync(campaign: Campaign, _: HostileServer, seller: SellingPartner, number: int) -> None:
    async with OrderDatabase("sqlite:///:memory:") as database:
        set_aside = 0
        for _attempt in range(100):
            report = await sync_orders([seller], database)
            (result,) = report.sellers
            set_aside += result.unreadable
            if result.error is None:
                break
            if not isinstance(result.error, SPAPIError):
                raise result.error
            _note(campaign, result.error)
            await asyncio.sleep(result.error.retry_after or 0)
        else:
            campaign.complain(f"sync {number} never ended: {result.error!r}")
        orders, _items = await database.counts()
        if not ORDERS - set_aside <= orders <= ORDERS:
            campaign.complain(f"sync {number} stored {orders} of {ORDERS}, and {result}")


WEIGHTS: list[tuple[Step, int]] = [
    (get_order, 60), (create_feed, 20), (get_address, 6), (iterate_orders, 6), (iterate_transactions, 6), (sync, 2)
]  # fmt: skip


if __name__ == "__main__":
    outcome = asyncio.run(run_campaign(int(sys.argv[1]), int(sys.argv[2])))
    print(msgspec.json.format(msgspec.json.encode(outcome)).decode())  # noqa: T201
    sys.exit(1 if outcome.complaints else 0)
