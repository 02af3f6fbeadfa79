"""The bucket that all sellers of one application share for an operation."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from spapi_async._core.clock import Clock
from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation
from spapi_async.ratelimit._adaptation import Adaptation
from spapi_async.ratelimit._bucket import TokenBucket
from spapi_async.ratelimit._shares import CLASSES, serve
from spapi_async.ratelimit._timer import SHORTEST_TIMER, Timed
from spapi_async.ratelimit.local._state import BucketState, restore

if TYPE_CHECKING:
    from spapi_async.ratelimit.local._lane import Lane, LocalPermit

__all__ = ["Pool"]


class Pool(Timed):
    """The bucket that all sellers of one application share for an operation, and the lanes that wait for it.

    Lanes take turns, so that a seller with a thousand waiting calls does not keep the others out.
    """

    __slots__ = (
        "_counts",
        "_lanes",
        "_passed",
        "_suspect",
        "adaptation",
        "admitted",
        "application",
        "bucket",
        "operation",
        "region",
        "throttled",
        "waiting",
    )  # fmt: skip

    def __init__(self, operation: Operation[Any], application: str, region: str, clock: Clock, now: float) -> None:
        super().__init__(clock)
        self.operation = operation
        self.application = application
        self.region = region
        plan = operation.usage_plan
        assert plan.application_rate is not None
        # Amazon publishes no burst for some: a second's worth, or what one seller may send at once.
        burst = plan.application_burst or max(plan.burst, plan.application_rate)
        self.adaptation = Adaptation(float(plan.application_rate), float(burst))
        self.bucket = TokenBucket(self.adaptation.rate, self.adaptation.burst, now)
        self.admitted = 0
        self.throttled = 0
        self._lanes: list[deque[Lane]] = [deque() for _ in range(CLASSES)]
        self._counts = [0] * CLASSES
        self._passed = [0] * CLASSES
        self.waiting = 0  # lanes that ask for a turn
        self._suspect: Lane | None = None

    def admits(self, now: float) -> bool:
        """Whether there is a token that no lane waits for."""
        return not self.waiting and self.bucket.has_token(now)

    def spend(self) -> None:
        """Take one token."""
        self.admitted += 1
        self.bucket.spend()

    def enqueue(self, lane: Lane) -> None:
        """A lane that has a token of its own and somebody waiting asks for a turn."""
        klass = lane.line.next_class()
        if klass not in lane.turns:
            lane.turns.add(klass)
            self._lanes[klass].append(lane)
            self._counts[klass] += 1
            self.waiting += 1

    def pump(self, now: float) -> None:
        while (delay := self._delay(now)) == 0.0:
            lane = self._next_lane()
            # Much may have changed since it asked: callers gone, its own bucket drained.
            if lane.bucket.has_token(now) and lane.grant_next(now):
                self.spend()
            lane.ask(now)
        if delay > 0.0:
            self._arm(now, delay)
        else:
            self.disarm()

    def withdraw(self, lane: Lane) -> None:
        """A lane with nobody waiting any more asks for no turn."""
        turns = tuple(lane.turns)
        lane.turns.clear()
        for klass in turns:
            self._counts[klass] -= 1
            self.waiting -= 1
            # Its entry stays until it is reached, or until most entries are such.
            lanes = self._lanes[klass]
            if len(lanes) > 2 * self._counts[klass] + 16:
                self._lanes[klass] = deque(dict.fromkeys(each for each in lanes if klass in each.turns))

    def _next_lane(self) -> Lane:
        klass = serve(self._counts, self._passed)
        lanes = self._lanes[klass]
        lane = lanes.popleft()
        while klass not in lane.turns:
            lane = lanes.popleft()
        lane.turns.discard(klass)
        self._counts[klass] -= 1
        self.waiting -= 1
        return lane

    def _delay(self, now: float) -> float:
        """Seconds to the next turn; negative when nobody asks for one."""
        if not self.waiting:
            return -1.0
        return 0.0 if self.bucket.has_token(now) else max(self.bucket.delay(now), SHORTEST_TIMER)

    def is_idle(self, now: float) -> bool:
        """Whether a new one would be no different."""
        return not self.waiting and self.bucket.is_full(now) and not self.adaptation.is_worth_keeping(now)

    def state(self, now: float) -> BucketState:
        """What a later run should know."""
        return BucketState(
            key=(self.operation.name, self.application, self.region),
            tokens=self.bucket.tokens(now),
            announced=self.adaptation.announced,
            rate=self.adaptation.rate,
            burst=self.adaptation.burst,
            age=now - self.adaptation.event_at if not self.adaptation.calm else None,
        )

    def restore(self, state: BucketState, now: float) -> None:
        """Take up what an earlier run knew."""
        restore(self.bucket, self.adaptation, state, now)

    def wait_for(self, now: float, klass: int, count: int = 1) -> float:
        """Seconds until a lane that asked now ``count`` times would be served, as far as the lanes in front tell."""
        ahead = sum(self._counts[: klass + 1])
        return self.bucket.delay(now, ahead + count)

    def blame(self, lane: Lane, permit: LocalPermit, now: float) -> bool:
        """Whether a lane's 429 is rather this bucket's doing; if so, learn from it.

        Amazon does not say which limit was hit. This one is suspected when it was nearer to empty than the seller's, or
        when two sellers in a row are refused.
        """
        self.throttled += 1
        other, self._suspect = self._suspect, lane
        mine = self.bucket.tokens(now) / self.bucket.burst
        suspected = mine < permit.spare / lane.bucket.burst or (other is not None and other is not lane)
        if suspected and self.adaptation.throttled(sent_at=permit.sent_at, now=now):
            self.bucket.set_rate(self.adaptation.rate, now)
            self.bucket.set_tokens(self.adaptation.emptied, now)
        return suspected

    def succeeded(self, now: float) -> None:
        """A call got through."""
        self._suspect = None
        if not self.adaptation.calm and self.adaptation.succeeded():
            self.bucket.set_rate(self.adaptation.rate, now)

    def snapshot(self, now: float) -> LimitSnapshot:
        """As it is now."""
        return LimitSnapshot(
            operation=self.operation.name,
            application=self.application,
            account="",
            region=self.region,
            rate=self.bucket.rate,
            announced_rate=self.adaptation.announced,
            burst=self.bucket.burst,
            tokens=self.bucket.tokens(now),
            waiting=self.waiting,
            next_available=self.wait_for(now, 1),
            admitted=self.admitted,
            throttled=self.throttled,
        )
