"""The board of a fleet, in Redis: the sellers' states, when they are due, and which have a slice in the queue."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from spapi_async.fleet._policy import SellerState

try:
    from redis.asyncio import Redis
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Board", "SellerState"]

_SELLERS_PER_COMMAND = 1000  # Redis runs one command at a time, and calls that wait for quota need it, too
_STATE = msgspec.json.Decoder(SellerState)

# Writes a state only if the stored one is still that from which it was made.
_SWAP = """
if redis.call('hget', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('hset', KEYS[1], ARGV[1], ARGV[3])
redis.call('zadd', KEYS[2], ARGV[4], ARGV[1])
return 1
"""


class Board:
    """The states of sellers in a hash, their due times in a sorted set, and a mark for each waiting or running slice.

    Marks expire. The cost of finding due sellers grows with their number, not with the size of the board.

    Args:
        redis: a client; the caller closes it.
        name: the fleet's name; several fleets may use one Redis.
        slice_seconds: the longest duration of a slice.
    """

    def __init__(self, redis: Redis, name: str, *, slice_seconds: float) -> None:
        self._redis: Any = redis
        self._sellers = f"spapi:fleet:{name}:sellers"
        self._due = f"spapi:fleet:{name}:due"
        self._queued = f"spapi:fleet:{name}:queued:"
        self._expiry = int(slice_seconds * 2) + 2
        self._swap: Any = redis.register_script(_SWAP)

    async def states(self) -> list[SellerState]:
        """All readable states, the longest due first."""
        found: dict[bytes, SellerState] = {}  # a scan may return a seller twice
        async for seller, raw in self._redis.hscan_iter(self._sellers, count=_SELLERS_PER_COMMAND):
            try:
                found[seller] = _STATE.decode(raw)
            except msgspec.MsgspecError:
                continue  # written by another version: the next slice replaces it
        return sorted(found.values(), key=lambda state: (state.due_at, state.seller))

    async def state(self, seller: str) -> SellerState:
        """One seller's state; a new seller is due at once."""
        return _state(seller, await self._redis.hget(self._sellers, seller))

    async def due(self, now: float) -> list[tuple[str, float]]:
        """Sellers whose next slice should have begun, with the time at which it should have, the longest due first."""
        found = await self._redis.zrangebyscore(self._due, "-inf", now, withscores=True)
        return [(name.decode(), due_at) for name, due_at in found]

    async def is_due(self, seller: str, due_at: float) -> bool:
        """Whether the seller is still due at this time; a slice that has ended since has changed it."""
        return bool(await self._redis.zscore(self._due, seller) == due_at)

    async def revoked(self) -> list[str]:
        """Sellers that need a new authorisation."""
        return [name.decode() for name in await self._redis.zrangebyscore(self._due, math.inf, math.inf)]

    async def put(self, *states: SellerState) -> None:
        """Write the states of sellers; a seller that needs a new authorisation is never due."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            for state in states:
                pipeline.hset(self._sellers, state.seller, msgspec.json.encode(state))
                pipeline.zadd(self._due, {state.seller: _score(state)})
            await pipeline.execute()

    async def change(self, seller: str, change: Callable[[SellerState], SellerState]) -> None:
        """Change a seller's state, again if another process changed it meanwhile; do nothing if it left the board."""
        while (raw := await self._redis.hget(self._sellers, seller)) is not None:
            state = change(_state(seller, raw))
            new = [seller, raw, msgspec.json.encode(state), _score(state)]
            if await self._swap(keys=[self._sellers, self._due], args=new):
                return

    async def keep(self, sellers: Collection[str]) -> None:
        """Make these sellers the only ones on the board; new ones are due at once."""
        # A scan returns every seller that stays on the board; a reading by rank would not, because ranks change.
        known = {name.decode() async for name, _ in self._redis.zscan_iter(self._due, count=_SELLERS_PER_COMMAND)}
        for gone in _some(known.difference(sellers)):
            await self._redis.hdel(self._sellers, *gone)
            await self._redis.zrem(self._due, *gone)
        for new in _some(set(sellers) - known):
            await self.put(*(SellerState(seller=seller) for seller in new))

    async def mark(self, seller: str) -> bool:
        """Mark that a slice of the seller is queued; False if one is already waiting or running."""
        return bool(await self._redis.set(self._queued + seller, b"1", nx=True, ex=self._expiry))

    async def unmark(self, seller: str) -> None:
        """Remove the mark of a slice that has ended."""
        await self._redis.delete(self._queued + seller)

    async def queued(self, sellers: Iterable[str]) -> int:
        """How many of these sellers have a waiting or running slice."""
        count = 0
        for some in _some(sellers):
            marks = await self._redis.mget([self._queued + seller for seller in some])
            count += sum(mark is not None for mark in marks)
        return count


def _some(sellers: Iterable[str]) -> Iterator[Sequence[str]]:
    """The sellers in chunks for one command each."""
    names = sorted(sellers)
    for start in range(0, len(names), _SELLERS_PER_COMMAND):
        yield names[start : start + _SELLERS_PER_COMMAND]


def _state(seller: str, raw: bytes | None) -> SellerState:
    """The stored state, or a new one if none is stored or another version wrote it."""
    try:
        return _STATE.decode(raw) if raw is not None else SellerState(seller=seller)
    except msgspec.MsgspecError:
        return SellerState(seller=seller)


def _score(state: SellerState) -> float:
    return math.inf if state.revoked else state.due_at
