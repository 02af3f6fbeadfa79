"""All lanes and limits of one process: created at first use, dropped when a new one would be the same."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from spapi_async._core.clock import Clock
from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation
from spapi_async.credentials import Account
from spapi_async.errors import SPAPIWarning
from spapi_async.ratelimit._book import PLAIN, Charge, PlanBook, Selection
from spapi_async.ratelimit._decision import dequeue
from spapi_async.ratelimit._jitter import Jitter
from spapi_async.ratelimit._meter import Lane, Meter
from spapi_async.ratelimit._waiting import Waiter
from spapi_async.ratelimit.local._state import BucketState, pack, restore, state_of, unpack

__all__ = ["Registry"]

LINGER = 10.0
"""Seconds after its last call for which a full bucket is kept, so that monitoring shows what happened."""

REMEMBERED_RATES = 100_000
"""The number of rates from headers that are kept for dropped buckets; without one, the first reply would bring the rate
back."""

Key = tuple[str, ...]


class Registry:
    """Lanes by payer, operation and relevant arguments; limits by their key.

    Attributes:
        book: determines which limits a call uses.
        lanes: the lanes of operations without rules, by payer and operation.
        meters: every limit in use.
    """

    def __init__(self, book: PlanBook, clock: Clock) -> None:
        self.book = book
        self.lanes: dict[tuple[str, Operation[Any]], Lane] = {}
        self.meters: dict[Key, Meter] = {}
        self._keyed: dict[tuple[str, Operation[Any], Selection], Lane] = {}
        self._used_by: dict[Meter, int] = {}  # how many lanes use it
        self._owners: dict[Meter, Account] = {}
        self.clock = clock
        self._jitters: dict[tuple[str, Operation[Any]], Jitter] = {}
        self._saved: dict[Key, BucketState] = {}
        self._saved_at = 0.0
        self._announced: dict[Key, float] = {}
        self._inherited_at: float | None = None  # when a forked process, whose parent uses the same limits, began
        self._rounds: deque[tuple[str, Operation[Any], Selection]] = deque()

    def lane(
        self, operation: Operation[Any], account: Account, arguments: Mapping[str, Any] | None, now: float
    ) -> Lane:
        """The lane of such calls."""
        if not self.book.is_keyed(operation):
            return self.lanes.get((account.payer, operation)) or self._open(operation, account, PLAIN, now)
        selection = self.book.select(operation, arguments)
        return self._keyed.get((account.payer, operation, selection)) or self._open(operation, account, selection, now)

    def serves_other_values(self, lane: Lane) -> bool:
        """Whether calls with another value of the argument passed: then a 429 may be about this value only."""
        return any(other.passed and other.first is lane.first and other.value != lane.value for other in self._all())

    def learn_value(self, lane: Lane, now: float) -> Meter:
        """Create a separate limit for the value of a lane's argument."""
        charge = self.book.value_charge(lane.operation, lane.account, lane.value)
        meter = self._meter(charge, lane.account, now)
        for other in self._all():
            alike = (other.operation, other.account.payer, other.value) == (
                lane.operation,
                lane.account.payer,
                lane.value,
            )
            if alike and meter not in other.meters:
                other.use((*other.meters, meter))
                self._used_by[meter] = self._used_by.get(meter, 0) + 1
                if other.queue.total:
                    meter.lanes[other] = None
        return meter

    def snapshots(self, now: float) -> tuple[LimitSnapshot, ...]:
        """Every limit that is in use."""
        self._forget_idle(now, len(self._rounds))
        for key, meter in list(self.meters.items()):
            if not self._used_by.get(meter) and meter.is_idle(now):
                self._drop(key, meter)
        found = []
        for meter in sorted(self.meters.values(), key=lambda meter: meter.charge.shared):
            owner = self._owners[meter]
            name = "" if meter.charge.shared else owner.name
            found.append(meter.snapshot(now, application=owner.application, account=name, region=owner.region.value))
        return tuple(found)

    @property
    def waiting(self) -> int:
        """The number of waiting calls."""
        return sum(lane.queue.total for lane in self._all())

    def drop_waiters(self) -> list[tuple[Lane, Waiter]]:
        """Remove and return all waiters."""
        gone = []
        for lane in self._all():
            gone += [(lane, waiter) for waiter in lane.queue.clear()]
            dequeue(lane)
        return gone

    def clear(self) -> None:
        """Forget everything."""
        for held in (self.lanes, self._keyed, self.meters, self._used_by, self._owners, self._rounds):
            held.clear()

    def inherit(self) -> None:
        """Start again in a forked process, with a warning: all limits are empty, with the parent's announced rates."""
        self.drop_waiters()
        for key, meter in list(self.meters.items()):
            self._drop(key, meter)
        self.clear()
        self._inherited_at = self.clock.monotonic()
        warnings.warn(
            "this process was forked from one that uses the same rate limiter; each spends the whole quota, and Amazon "
            "will answer 429. Share it: Application(limiter=RedisRateLimiter(url))",
            SPAPIWarning,
            stacklevel=2,
        )

    # ---- saving -----------------------------------------------------------------------------------------------------

    def dump(self, now: float) -> bytes:
        """The state of every limit, including loaded states that have not been used yet."""
        wall = self.clock.time()
        states = [state_of(meter, now) for meter in self.meters.values()]
        states += [state.later(wall - self._saved_at) for state in self._saved.values()]
        return pack(states, wall)

    def load(self, saved: bytes) -> None:
        """Limits that are created from now on continue from the state of an earlier run.

        Raises:
            ConfigurationError: these bytes are not a saved state.
        """
        self._saved_at = self.clock.time()
        self._saved = {state.key: state for state in unpack(saved, self._saved_at)}

    # ---- opening and forgetting -------------------------------------------------------------------------------------

    def _all(self) -> Iterator[Lane]:
        yield from self.lanes.values()
        yield from self._keyed.values()

    def _open(self, operation: Operation[Any], account: Account, selection: Selection, now: float) -> Lane:
        self._forget_idle(now, 2)
        charges = self.book.charges(operation, account, selection)
        if selection.value:
            learned = self.book.value_charge(operation, account, selection.value)
            if learned.key in self.meters or self._saved_state(learned, account) is not None:
                charges = (*charges, learned)
        region = account.region.value
        jitter = self._jitters.get((region, operation))
        if jitter is None:
            jitter = self._jitters[region, operation] = Jitter()
        meters = [self._meter(charge, account, now) for charge in charges]
        lane = Lane(operation, account, meters, jitter=jitter, value=selection.value, now=now)
        for meter in meters:
            self._used_by[meter] = self._used_by.get(meter, 0) + 1
        if self.book.is_keyed(operation):
            self._keyed[account.payer, operation, selection] = lane
        else:
            self.lanes[account.payer, operation] = lane
        self._rounds.append((account.payer, operation, selection))
        return lane

    def _meter(self, charge: Charge, account: Account, now: float) -> Meter:
        meter = self.meters.get(charge.key)
        if meter is None:
            meter = self.meters[charge.key] = Meter(charge, now)
            self._owners[meter] = account
            announced = self._announced.pop(charge.key, None)
            if announced is not None:
                meter.adopt_rate(announced, now)
            self._restore(meter, account, now)
            if self._inherited_at is not None:
                meter.drain(self._inherited_at, now)
        return meter

    def _restore(self, meter: Meter, account: Account, now: float) -> None:
        state = self._saved_state(meter.charge, account)
        if state is not None:
            del self._saved[state.key]
            restore(meter, state.later(self.clock.time() - self._saved_at), now)

    def _saved_state(self, charge: Charge, account: Account) -> BucketState | None:
        state = self._saved.get(charge.key)
        if state is None and not charge.shared:
            # Saved before the seller id was known, or by a version that kept buckets by credential.
            operation, _, *rest = charge.key
            state = self._saved.get((operation, account.key, *rest))
        return state

    def _forget_idle(self, now: float, number: int) -> None:
        """Check the ``number`` lanes unused for longest; drop those that a new lane would equal."""
        rounds = self._rounds
        for _ in range(min(number, len(rounds))):
            payer, operation, _ = key = rounds.popleft()
            keyed = self.book.is_keyed(operation)
            lane = self._keyed[key] if keyed else self.lanes[payer, operation]
            if not self._is_idle(lane, now):
                rounds.append(key)
                continue
            if keyed:
                del self._keyed[key]
            else:
                del self.lanes[payer, operation]
            for meter in lane.meters:
                self._used_by[meter] -= 1
                if not self._used_by[meter] and not meter.charge.shared:
                    self._drop(meter.charge.key, meter)

    def _is_idle(self, lane: Lane, now: float) -> bool:
        if now - lane.used_at < LINGER or lane.queue.total:
            return False
        own = (meter for meter in lane.meters if not meter.charge.shared)
        return all(self._used_by[meter] > 1 or meter.is_idle(now) for meter in own)

    def _drop(self, key: Key, meter: Meter) -> None:
        del self.meters[key], self._owners[meter]
        self._used_by.pop(meter, None)
        adaptation = meter.adaptation
        if adaptation is not None and adaptation.announced != adaptation.published:
            if len(self._announced) >= REMEMBERED_RATES:
                del self._announced[next(iter(self._announced))]
            self._announced[key] = adaptation.announced
