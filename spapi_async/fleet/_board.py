"""The board of a fleet, in Redis: the sellers' states, when they are due, and which have a slice in the queue."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from spapi_async.fleet._board_scripts import BEGIN, END, LEAVE, MARK, SWAP, TICK
from spapi_async.fleet._board_time import BoardTime, read, ticked
from spapi_async.fleet._policy import SellerState
from spapi_async.workflows.orders._reconcile import STAGES

try:
    from redis.asyncio import Redis
    from redis.exceptions import ReadOnlyError, ResponseError
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Board", "Clock", "SellerState", "Slice", "Totals"]

_SELLERS_PER_COMMAND = 1000  # Redis runs one command at a time, and calls that wait for quota need it, too
_STATE = msgspec.json.Decoder(SellerState)
_RECONCILED = [f"{stage.hours}h" for stage in STAGES]


class Clock(msgspec.Struct, frozen=True):
    """The board's clock as it is stored: the scheduler's last tick, who that is, and the time of Redis."""

    wall: float
    last: BoardTime | None
    scheduler: str
    raw: tuple[bytes, bytes]

    @property
    def now(self) -> BoardTime:
        """The board's time for a process that writes to it and does not schedule."""
        return read(self.last, self.wall)

    @property
    def shown(self) -> BoardTime:
        """The board's time for whoever looks at it: it goes on when nobody schedules."""
        return ticked(self.last, self.wall, None)


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A slice that a worker has begun.

    Attributes:
        due_at: when it should have begun: while nothing else is noted for the seller, that stays the seller's due time.
        worker: identifies this slice among all others.
    """

    seller: str
    due_at: float
    worker: str


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """A board in numbers.

    Attributes:
        sellers: all of them.
        due: sellers whose next slice should have begun.
        queued: slices that wait or run.
        new: sellers that were never complete.
        revoked: sellers that need a new authorisation.
        furthest: the seller that is furthest behind, of those that were complete once, and by how many seconds.
        reconciled: by how many seconds reconciliation is behind, by age, for the seller furthest behind.
    """

    sellers: int
    due: int
    queued: int
    new: int
    revoked: int
    furthest: tuple[str, float] | None
    reconciled: dict[str, float]


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
        (self._sellers, self._due, self._slices, self._clock, *self._progress) = (
            f"spapi:fleet:{name}:{what}" for what in ("sellers", "due", "slices", "clock", "complete", *_RECONCILED)
        )
        self._waits = slice_seconds * 2 + 2  # in the queue, before the seller is queued again
        self.runs = slice_seconds * 1.5
        """How many seconds a slice keeps its seller to itself, unless it is kept again; longer than it lasts."""
        self._scripts: dict[str, Any] = {
            text: redis.register_script(text) for text in (BEGIN, END, LEAVE, MARK, SWAP, TICK)
        }

    # ---- time -------------------------------------------------------------------------------------------------------

    async def clock(self) -> Clock:
        """The board's clock."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.hmget(self._clock, "scheduler", "at", "ahead")
            (seconds, micros), (scheduler, at, ahead) = await pipeline.execute()
        last = None if at is None else BoardTime(float(at), float(ahead))
        return Clock(seconds + micros / 1e6, last, (scheduler or b"").decode(), (scheduler or b"", at or b""))

    async def tick(self, seen: Clock, now: BoardTime, scheduler: str) -> bool:
        """Set the clock, unless another process has set it since it was seen; ``scheduler`` schedules from now on."""
        new = [scheduler, repr(now.at), repr(now.ahead)]
        return bool(await self._run(TICK, [self._clock], [*seen.raw, *new]))

    # ---- sellers ----------------------------------------------------------------------------------------------------

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

    async def revoked(self) -> list[str]:
        """Sellers that need a new authorisation."""
        return [name.decode() for name in await self._redis.zrangebyscore(self._due, math.inf, math.inf)]

    async def put(self, *states: SellerState) -> None:
        """Write the states of sellers; a seller that needs a new authorisation is never due."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            for state in states:
                pipeline.hset(self._sellers, state.seller, msgspec.json.encode(state))
                pipeline.zadd(self._due, {state.seller: _score(state)})
                for key, reached in zip(self._progress, _progress(state), strict=True):
                    if reached == "":
                        pipeline.zrem(key, state.seller)
                    else:
                        pipeline.zadd(key, {state.seller: reached})
            await pipeline.execute()

    async def change(self, seller: str, change: Callable[[SellerState], SellerState]) -> None:
        """Change a seller's state, again if another process changed it meanwhile; do nothing if it left the board."""
        while (raw := await self._redis.hget(self._sellers, seller)) is not None:
            new = _stored(change(_state(seller, raw)))
            if await self._run(SWAP, [self._sellers, self._due, *self._progress], [seller, raw, *new]):
                return

    async def keep(self, sellers: Collection[str], *, between: Callable[[], Awaitable[None]] | None = None) -> None:
        """Make these sellers the only ones on the board; new ones are due at once.

        ``between`` is awaited between commands: with a hundred thousand new sellers they take their time.
        """
        # A scan returns whoever is there all the time; ranks, which change meanwhile, would not promise that.
        known = {name.decode() async for name, _ in self._redis.zscan_iter(self._due, count=_SELLERS_PER_COMMAND)}
        for gone in _some(known.difference(sellers)):
            await (between or _at_once)()
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hdel(self._sellers, *gone)
                pipeline.hdel(self._slices, *gone)
                for key in (*self._progress, self._due):
                    pipeline.zrem(key, *gone)
                await pipeline.execute()
        for new in _some(set(sellers) - known):
            await (between or _at_once)()
            await self.put(*(SellerState(seller=seller) for seller in new))

    # ---- slices -----------------------------------------------------------------------------------------------------

    async def mark(self, due: Mapping[str, float], now: float) -> list[str]:
        """Claim the sellers' only places in the queue; returns those that had no waiting or running slice.

        A seller whose slice has ended since these due times were read is left out: a slice that is queued for an
        earlier due time does nothing, and its mark would keep the seller out of the queue until it expires.
        """
        pairs = [each for pair in due.items() for each in pair]
        marked = await self._run(MARK, [self._slices, self._due], [repr(now), repr(now + self._waits), *pairs])
        return [name.decode() for name in marked]

    async def begin(self, each: Slice) -> bool:
        """Keep the seller to this slice for a while; False if it is not due any more, or another slice is running.

        Any slice that has ended has changed when the seller is due. A running slice calls this again to keep its seller
        for longer: False means then that another one has it, or had it.
        """
        now = (await self.clock()).now.at
        places = [repr(now), repr(now + self.runs)]
        return bool(await self._run(BEGIN, [self._due, self._slices], [each.seller, each.due_at, each.worker, *places]))

    async def end(self, each: Slice, change: Callable[[SellerState, BoardTime], SellerState]) -> bool:
        """Note the outcome of a slice: the seller's new state, made of the old one and the board's time.

        False if the slice was overtaken: another one has begun or was noted since, because this one was suspended for
        longer than it kept its seller. Then nothing is written.
        """
        while True:
            now = (await self.clock()).now
            raw = await self._redis.hget(self._sellers, each.seller)
            ours = [each.seller, each.due_at, each.worker, raw or b""]
            new = _stored(change(_state(each.seller, raw), now))
            keys = [self._sellers, self._due, *self._progress, self._slices]
            outcome = await self._run(END, keys, [*ours, *new])
            if outcome >= 0:
                return bool(outcome)

    async def leave(self, each: Slice) -> None:
        """Give up a slice: the seller is still due."""
        await self._run(LEAVE, [self._slices], [each.worker, each.seller])

    async def unmark(self, sellers: Sequence[str]) -> None:
        """Give up the sellers' places in the queue, unless their slices run."""
        await self._run(LEAVE, [self._slices], ["", *sellers])

    async def queued(self, now: float) -> int:
        """How many sellers have a waiting or running slice."""
        marks = {name: mark async for name, mark in self._redis.hscan_iter(self._slices, count=_SELLERS_PER_COMMAND)}
        return sum(float(mark.partition(b" ")[0]) > now for mark in marks.values())

    async def totals(self) -> Totals:
        """The board in numbers, by commands that cost about the same on a large board as on a small one."""
        now = (await self.clock()).shown.at
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zcard(self._due)
            pipeline.zcount(self._due, "-inf", now)
            pipeline.zcount(self._due, math.inf, math.inf)
            pipeline.hlen(self._slices)
            pipeline.zcard(self._progress[0])
            for key in self._progress:
                pipeline.zrangebyscore(key, "-inf", "+inf", start=0, num=1, withscores=True)
            sellers, due, revoked, queued, complete, *furthest = await pipeline.execute()
        behind = [[(name.decode(), now - at) for name, at in found] for found in furthest]
        return Totals(
            sellers=sellers,
            due=due,
            queued=queued,
            new=sellers - revoked - complete,
            revoked=revoked,
            furthest=next(iter(behind[0]), None),
            reconciled={age: found[0][1] for age, found in zip(_RECONCILED, behind[1:], strict=True) if found},
        )

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return await self._scripts[script](keys=keys, args=arguments)
        except ResponseError as error:
            if not _is_of_replica(error):
                raise
        # A failover has made the primary a replica, which has done nothing; its address leads to the new primary now.
        await self._redis.connection_pool.disconnect(inuse_connections=False)
        return await self._scripts[script](keys=keys, args=arguments)


def _is_of_replica(error: ResponseError) -> bool:
    """Whether a replica has refused to write; redis-py does not know how Redis before version 7 says so of a script."""
    return isinstance(error, ReadOnlyError) or "-READONLY" in str(error)


async def _at_once() -> None:
    """Nothing is done between commands."""


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


def _stored(state: SellerState) -> list[Any]:
    """A state as scripts take it."""
    return [msgspec.json.encode(state), _score(state), *_progress(state)]


def _score(state: SellerState) -> float:
    return math.inf if state.revoked else state.due_at


def _progress(state: SellerState) -> list[Any]:
    """What the seller has reached, of each kind; nothing of one that needs a new authorisation."""
    reached = [state.complete_at, *(state.reconciled_to.get(age) for age in _RECONCILED)]
    return ["" if at is None or state.revoked else at for at in reached]
