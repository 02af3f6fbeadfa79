"""A small Selling Partner API on raw sockets that breaks most of its replies, always the same ones for a seed.

Which fault meets a request depends on the seed, on what the request asks for and on how often that was asked for
before. It depends neither on time nor on other requests under way, so that a seed repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import random
import select
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from hostile_faults import FAULTS, REFUSALS
from hostile_kinds import ABSENT, HANG_UP, RESET, SILENCE, Good, Step, WhileIdle, plain_reply

__all__ = ["BUYER", "ORDERS", "HostileServer", "order_id"]

ORDERS, PAGE = 23, 5
BUYER = "MARK-buyer"


def order_id(number: int) -> str:
    """Return an order id in Amazon's format."""
    return f"902-{number:07}-0000000"


class HostileServer:
    """Serves while its block lasts.

    Args:
        seed: which faults.
        share: of the requests that are answered wrongly.
        kinds: which kinds of fault; all by default.
    """

    def __init__(self, seed: int, *, share: float = 0.5, kinds: Sequence[str] = ()) -> None:
        self.seed = seed
        self.share = share
        self.kinds = sorted(kinds or FAULTS)
        self.url = ""
        self.requests = self.faulted = 0
        self.met: Counter[str] = Counter()
        self.effects: Counter[str] = Counter()
        self.ended_empty: set[str] = set()
        self._crossed: list[bytes] = []  # requests that were under way when an unrequested reply was sent
        self._asked: Counter[str] = Counter()
        self._served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        for task, writer in self._served.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._served)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served[task] = writer
        crossing = False
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
                method, target, _ = lines[0].split(" ")
                body = await reader.readexactly(length)
                if crossing:
                    self._crossed.append(head + body)
                crossing = False
                for step in self._steps(method, target, body):
                    if isinstance(step, WhileIdle):
                        crossing = await _send_unrequested(step.data, reader, writer)
                    elif not await _perform(step, writer):
                        return
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def has_met(self, document: str) -> bool:
        """Whether a createFeed of this document took effect, or an unrequested reply overtook it.

        The reply may arrive before this server has read the request, for which it gets a second.
        """
        for _ in range(100):
            if self.effects[document] or self.overtook(f'"{document}"'):
                return True
            await asyncio.sleep(0.01)
        return False

    def overtook(self, text: str) -> bool:
        """Return whether a request containing this text was under way when an unrequested reply was sent."""
        return any(text.encode() in request for request in self._crossed)

    def _steps(self, method: str, target: str, body: bytes) -> list[Step]:
        self.requests += 1
        place = f"{method} {target} {body.decode() if target.startswith('/feeds') else ''}"
        self._asked[place] += 1
        rng = random.Random(f"{self.seed} {place} {self._asked[place]}")
        good = right_reply(method, target)
        kind = rng.choice(self.kinds) if rng.random() < self.share else None
        if method == "POST" and target.startswith("/feeds") and kind not in REFUSALS:
            self.effects[json.loads(body)["inputFeedDocumentId"]] += 1
        if kind is None:
            return [plain_reply(json.dumps(good.content).encode(), good.status)]
        self.faulted += 1
        self.met[kind] += 1
        if kind in ABSENT and good.list_key is not None:
            self.ended_empty.add(urlsplit(target).query)
        return FAULTS[kind](good, rng)


def _is_idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Return whether the client has sent nothing more."""
    descriptor = writer.get_extra_info("socket").fileno()
    if descriptor < 0 or writer.is_closing() or reader._buffer:  # type: ignore[attr-defined]
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)


async def _send_unrequested(data: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send to a client that has sent nothing more; returns whether its next request was under way nevertheless.

    Before Python 3.12 aiohttp writes a body one iteration of the loop after it took the connection.
    """
    if not _is_idle(reader, writer):
        return False
    writer.write(data)
    for _ in range(3):
        await asyncio.sleep(0)
    return not writer.is_closing() and not _is_idle(reader, writer)


async def _perform(step: Step, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection is still open."""
    if isinstance(step, bytes):
        writer.write(step)
        await writer.drain()
    elif isinstance(step, float):
        await asyncio.sleep(step)
    elif step is SILENCE:
        await asyncio.sleep(3600)
    elif step is RESET:
        plug: socket.socket = writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False
    else:
        assert step is HANG_UP
        return False
    return True


# --- the truth -------------------------------------------------------------------------------------------------------


def right_reply(method: str, target: str) -> Good:  # noqa: PLR0911 - a table of the API
    """Return the correct reply to a request."""
    parts = urlsplit(target)
    query, path = parse_qs(parts.query), parts.path.split("/")
    if parts.path == "/auth/o2/token":
        return Good(200, {"access_token": "Atza|MARK-access", "expires_in": 3600, "token_type": "bearer"})
    if parts.path == "/tokens/2021-03-01/restrictedDataToken":
        return Good(200, {"restrictedDataToken": "Atz.sprdt|MARK-restricted", "expiresIn": 3600})
    if parts.path == "/feeds/2021-06-30/feeds":
        return Good(202, {"feedId": "feed-1"})
    if parts.path == "/batches/products/pricing/v0/itemOffers":
        return Good(200, {"responses": [{"status": {"statusCode": 200}, "body": {"payload": {"ASIN": "SPOIL"}}}]})
    if parts.path == "/orders/2026-01-01/orders":
        within = [n for n in range(ORDERS) if _lies_within(_updated(n), query)]
        return _page(query.get("paginationToken"), None, "orders", _order_2026, within)
    if parts.path == "/finances/2024-06-19/transactions":
        return _page(query.get("nextToken"), "payload", "transactions", lambda n: {"transactionId": order_id(n)})
    if parts.path.endswith("/address"):
        return Good(200, {"payload": {"AmazonOrderId": path[4], "ShippingAddress": {"Name": BUYER, "City": "SPOIL"}}})
    assert method == "GET"
    assert parts.path.startswith("/orders/v0/orders/")
    return Good(200, {"payload": {"AmazonOrderId": path[4], "SellerNote": "SPOIL", "OrderStatus": "Shipped"}})


def _order_2026(number: int) -> dict[str, Any]:
    return {
        "orderId": order_id(number),
        "createdTime": "2026-01-01T10:00:00Z",
        "lastUpdatedTime": f"{_updated(number):%Y-%m-%dT%H:%M:%SZ}",
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER"},
        "buyer": {"buyerName": BUYER},
        "packages": "SPOIL",
        "orderItems": [{"orderItemId": "1", "quantityOrdered": 1, "product": {"title": "SPOIL"}}],
    }


def _updated(number: int) -> datetime:
    return datetime(2026, 1, 2, 10, 0, number, tzinfo=UTC)


def _lies_within(moment: datetime, query: dict[str, list[str]]) -> bool:
    """Return whether a time is in the query's window. Bounds are inclusive, and either may be absent."""
    (after,) = query.get("lastUpdatedAfter", ["1970-01-01T00:00:00Z"])
    (before,) = query.get("lastUpdatedBefore", ["9999-01-01T00:00:00Z"])
    return datetime.fromisoformat(after) <= moment <= datetime.fromisoformat(before)


def _page(
    token: list[str] | None, wrapper: str | None, key: str, item: Any, numbers: Sequence[int] = range(ORDERS)
) -> Good:
    start = int(token[0].removeprefix("after-")) if token else 0
    end = min(start + PAGE, len(numbers))
    page: dict[str, Any] = {key: [item(number) for number in numbers[start:end]]}
    following = f"after-{end}" if end < len(numbers) else None
    if wrapper is None:
        page |= {"pagination": {"nextToken": following}, "lastUpdatedBefore": "2026-01-03T00:00:00Z"}
        return Good(200, page, None, key)
    return Good(200, {wrapper: {**page, "nextToken": following}}, wrapper, key)
