"""Which sellers are due, and which have a slice in the queue: shared by all processes of a fleet, in Redis."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from spapi_async.fleet._policy import SellerState

try:
    from redis.asyncio import Redis
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Board", "SellerState"]

_AT_ONCE = 1000  # states in one transaction
_STATE = msgspec.json.Decoder(SellerState)


class Board:
    """The states of sellers in a hash, their due times in a sorted set, and a mark for each waiting or running slice.

    A mark expires by itself. The cost of finding due sellers grows with their number, not with the size of the board.

    Args:
        redis: a client; the caller closes it.
        name: the fleet's name; several fleets may use one Redis.
        slice_seconds: the longest a slice may take.
    """

    def __init__(self, redis: Redis, name: str, *, slice_seconds: float) -> None:
        self._redis: Any = redis
        self._sellers = f"spapi:fleet:{name}:sellers"
        self._due = f"spapi:fleet:{name}:due"
        self._queued = f"spapi:fleet:{name}:queued:"
        self._expiry = int(slice_seconds * 2) + 2

    async def states(self) -> list[SellerState]:
        """All states, the longest due first; unreadable ones are left out."""
        found = []
        for raw in (await self._redis.hgetall(self._sellers)).values():
            try:
                found.append(_STATE.decode(raw))
            except msgspec.MsgspecError:
                continue  # written by another version: the next slice replaces it
        return sorted(found, key=lambda state: (state.due_at, state.seller))

    async def state(self, seller: str) -> SellerState:
        """One seller's state; a new seller is due at once."""
        raw = await self._redis.hget(self._sellers, seller)
        try:
            return _STATE.decode(raw) if raw is not None else SellerState(seller=seller)
        except msgspec.MsgspecError:
            return SellerState(seller=seller)

    async def due(self, now: float) -> list[str]:
        """Sellers whose next slice should have begun by now, the longest due first."""
        return [name.decode() for name in await self._redis.zrangebyscore(self._due, "-inf", now)]

    async def put(self, *states: SellerState) -> None:
        """Write the states of sellers; a seller that needs a new authorisation is never due."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            for state in states:
                pipeline.hset(self._sellers, state.seller, msgspec.json.encode(state))
                pipeline.zadd(self._due, {state.seller: math.inf if state.revoked else state.due_at})
            await pipeline.execute()

    async def keep(self, sellers: Collection[str]) -> None:
        """Make these sellers the only ones on the board; new ones are due at once."""
        known = {name.decode() for name in await self._redis.zrange(self._due, 0, -1)}
        gone = known.difference(sellers)
        if gone:
            await self._redis.hdel(self._sellers, *gone)
            await self._redis.zrem(self._due, *gone)
        new = sorted(set(sellers) - known)
        for start in range(0, len(new), _AT_ONCE):
            await self.put(*(SellerState(seller=seller) for seller in new[start : start + _AT_ONCE]))

    async def mark(self, seller: str) -> bool:
        """Claim the seller's only place in the queue; False if one of its slices is already waiting or running."""
        return bool(await self._redis.set(self._queued + seller, b"1", nx=True, ex=self._expiry))

    async def unmark(self, seller: str) -> None:
        """The slice is over."""
        await self._redis.delete(self._queued + seller)

    async def queued(self, sellers: Iterable[str]) -> int:
        """How many of these sellers have a waiting or running slice."""
        keys = [self._queued + seller for seller in sellers]
        return sum(value is not None for value in await self._redis.mget(keys)) if keys else 0
