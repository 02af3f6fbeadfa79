"""A seller's bucket for one operation, with its line of waiting calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spapi_async._core.events import RateChanged, Throttled
from spapi_async._core.limiter import LimitSnapshot
from spapi_async._core.operation import Operation
from spapi_async.credentials import Account
from spapi_async.errors import RateLimitWaitError
from spapi_async.ratelimit._adaptation import Adaptation, announced_rate
from spapi_async.ratelimit._bucket import TokenBucket
from spapi_async.ratelimit._jitter import UNKNOWN, Jitter
from spapi_async.ratelimit._timer import Timed
from spapi_async.ratelimit._waiting import Line, Waiter
from spapi_async.ratelimit.local._pool import Pool
from spapi_async.ratelimit.local._state import BucketState, restore

if TYPE_CHECKING:
    from spapi_async._core.clock import Clock
    from spapi_async._core.events import Observers

__all__ = ["Lane", "LocalPermit", "wait_error"]

QUOTA_EXCEEDED = 429
NOT_COUNTED = frozenset({401, 403})
"""Replies that come from in front of the quota, or may: no proof that a token was there."""


LINGER = 10.0
"""Seconds after its last call for which a full bucket stays, so that whoever watches the limits sees what happened."""


def wait_error(operation: Operation[Any], wait: float) -> RateLimitWaitError:
    """The refusal of a call that would have to wait longer than it may."""
    return RateLimitWaitError(
        f"quota is {wait:.1f} s away, longer than the call may wait", operation=operation.name, retry_after=wait
    )


class LocalPermit:
    """The right to send one request now."""

    __slots__ = ("_lane", "landed", "lands_by", "number", "sent_at", "spare", "waited")

    def __init__(self, lane: Lane, sent_at: float, lands_by: float) -> None:
        self._lane: Lane | None = lane
        self.sent_at = sent_at
        self.lands_by = lands_by
        self.landed = False
        self.spare = 0.0  # the bucket fills in this and the next
        self.number = 0
        self.waited = 0.0

    def observe(self, status: int | None, rate: float | None) -> None:
        """The request was sent: what came back."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.observe(self, status, rate)

    def release(self) -> None:
        """The request was never sent: its tokens go to the next in line."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.take_back(self)

    def __repr__(self) -> str:
        return f"<LocalPermit waited={self.waited:.3f} {'open' if self._lane else 'closed'}>"


class Lane(Timed):
    """The bucket of one seller and operation, what is believed about it, and who waits for it."""

    __slots__ = ("_header", "_jitter", "_observers", "_replied", "_used_at", "account", "adaptation", "admitted",
                 "bucket", "line", "operation", "pool", "throttled", "turns")  # fmt: skip

    def __init__(
        self,
        operation: Operation[Any],
        account: Account,
        *,
        pool: Pool | None,
        jitter: Jitter,
        clock: Clock,
        observers: Observers,
        now: float,
    ) -> None:
        super().__init__(clock)
        plan = operation.usage_plan
        self.operation = operation
        self.account = account
        self.pool = pool
        self.adaptation = Adaptation(float(plan.rate), float(plan.burst))
        self.bucket = TokenBucket(self.adaptation.rate, self.adaptation.burst, now)
        self.line = Line()
        self.turns: set[int] = set()  # the priorities under which it stands in the pool's queue
        self.admitted = 0
        self.throttled = 0
        self._jitter = jitter
        self._observers = observers
        self._header: float | None = None
        self._replied = False
        self._used_at = now

    # ---- admitting --------------------------------------------------------------------------------------------------

    def admit(self, now: float) -> LocalPermit | None:
        """A permit, if there is a token that nobody waits for."""
        if self.line.total or not self.bucket.has_token(now):
            return None
        pool = self.pool
        if pool is not None:
            if not pool.admits(now):
                return None
            pool.spend()
        return self._launch(now)

    def _launch(self, now: float) -> LocalPermit:
        permit = LocalPermit(self, now, now + (self._jitter.bound if self._replied else UNKNOWN))
        self.bucket.launch(permit)
        self.admitted += 1
        self._used_at = now
        return permit

    def enter(self, waiter: Waiter, now: float) -> None:
        """Stand in line."""
        self.line.join(waiter)
        # Where others wait already, the timer is set; but a more urgent call may improve the place in the pool's queue.
        if self.line.total == 1 or self.pool is not None:
            self.pump(now)

    def abandon(self, waiter: Waiter, now: float) -> None:
        """The caller is gone: give up its place, or give back its token."""
        self.line.leave(waiter)
        future = waiter.future
        if future.done() and not future.cancelled() and future.exception() is None:
            future.result().release()
        elif not self.line.total:
            self.pump(now)

    def pump(self, now: float) -> None:
        self.ask(now)
        if self.pool is not None:
            self.pool.pump(now)

    def ask(self, now: float) -> None:
        """Admit whom the tokens allow, or with a pool ask that for a turn; set the timer for the next token."""
        while self.line.total:
            if not self.bucket.has_token(now):
                self._arm(now, self.bucket.delay(now))
                return
            if self.pool is not None:
                self.pool.enqueue(self)
                break
            self.grant_next(now)
        else:
            if self.turns and self.pool is not None:
                self.pool.withdraw(self)
        self.disarm()

    def grant_next(self, now: float) -> bool:
        """Give a token to the next in line; False if nobody is left."""
        waiter = self.line.pop()
        if waiter is None:
            return False
        waiter.future.set_result(self._launch(now))
        return True

    def predict(self, now: float, klass: int, count: int = 1) -> float:
        """Seconds that the last of ``count`` calls which join now will wait, if nobody more urgent comes."""
        ahead = self.line.ahead(klass) if self.line.total else 0
        wait = self.bucket.delay(now, ahead + count)
        return wait if self.pool is None else max(wait, self.pool.wait_for(now, klass, count))

    def is_idle(self, now: float) -> bool:
        """Whether a new one would be no different, but for the announced rate."""
        return (
            now - self._used_at >= LINGER
            and not self.line.total
            and self.bucket.is_full(now)
            and not self.adaptation.is_worth_keeping(now)
        )

    def refuse(self, waiter: Waiter) -> None:
        """Its time is up: more urgent calls came later."""
        if not waiter.future.done():
            wait = self.predict(self.clock.monotonic(), waiter.klass)
            self.line.leave(waiter)
            waiter.future.set_exception(wait_error(self.operation, wait))

    def _refuse_the_late(self, now: float) -> None:
        """The rate fell: calls that cannot be served within their ``max_wait`` any more are told now, not then."""
        if not self.line.impatient:
            return
        place = 0
        for waiter in list(self.line.in_order()):
            place += 1
            if waiter.deadline is None or waiter.future.done():
                continue
            wait = self.bucket.delay(now, place)
            if now + wait > waiter.deadline:
                self.line.leave(waiter)
                waiter.future.set_exception(wait_error(self.operation, wait))
                place -= 1

    # ---- learning ---------------------------------------------------------------------------------------------------

    def observe(self, permit: LocalPermit, status: int | None, rate: float | None) -> None:
        """What came back for a permit."""
        now = self.clock.monotonic()
        if status == QUOTA_EXCEEDED:
            self._throttled(permit, now)
        else:
            self.bucket.land(permit, now)
        if status is not None:
            self._replied = True
            self._jitter.record(now - permit.sent_at)
            if status < 500 and status != QUOTA_EXCEEDED and status not in NOT_COUNTED:
                self._succeeded(now)
        if rate is not None and rate != self._header:
            self._announced(rate, now)
        if self.line.total:
            self.pump(now)

    def take_back(self, permit: LocalPermit) -> None:
        """A permit came back unused."""
        now = self.clock.monotonic()
        self.admitted -= 1
        self.bucket.recall(permit, now)
        if self.pool is not None:
            self.pool.admitted -= 1
            self.pool.bucket.refund()
        self.pump(now)

    def _succeeded(self, now: float) -> None:
        if self.pool is not None:
            self.pool.succeeded(now)
        adaptation = self.adaptation
        if not adaptation.calm and adaptation.succeeded():
            old = self.bucket.rate
            self._apply(now)
            if adaptation.rate == adaptation.announced:
                self._report(old, "recovery")

    def _throttled(self, permit: LocalPermit, now: float) -> None:
        self.throttled += 1
        self.bucket.recall(permit, now)
        if self.pool is None or not self.pool.blame(self, permit, now):
            self._learn_from(permit, now)
        if self._observers:
            self._observers.emit(
                Throttled(
                    operation=self.operation.name,
                    account=self.account.key,
                    rate=self.bucket.rate,
                    waiting=self.line.total,
                )
            )

    def _learn_from(self, refused: LocalPermit, now: float) -> None:
        old = self.bucket.rate
        news = self.adaptation.throttled(
            sent_at=refused.sent_at, now=now, number=refused.number, drawn=self.bucket.drawn
        )
        self._apply(now)
        if news:
            self.bucket.set_tokens(self.adaptation.emptied, now)
            self._refuse_the_late(now)
            self._report(old, "throttled")

    def _announced(self, header: float, now: float) -> None:
        self._header = header
        rate = announced_rate(header, self.operation.usage_plan.rate)
        if rate is not None and rate != self.adaptation.announced:
            old = self.bucket.rate
            self.adaptation.announce(rate)
            self._apply(now)
            if self.bucket.rate < old:
                self._refuse_the_late(now)
            self._report(old, "header")

    def _apply(self, now: float) -> None:
        if self.adaptation.rate != self.bucket.rate:
            self.bucket.set_rate(self.adaptation.rate, now)
        if self.adaptation.burst != self.bucket.burst:
            self.bucket.set_burst(self.adaptation.burst, now)

    def _report(self, old: float, reason: str) -> None:
        if self._observers and old != self.bucket.rate:
            self._observers.emit(
                RateChanged(
                    operation=self.operation.name,
                    account=self.account.key,
                    old=old,
                    new=self.bucket.rate,
                    reason=reason,
                )
            )

    def adopt_rate(self, rate: float, now: float) -> None:
        """The rate that a header announced earlier."""
        self.adaptation.announce(rate)
        self._apply(now)

    def state(self, now: float) -> BucketState:
        """What a later run should know."""
        return BucketState(
            key=(self.operation.name, self.account.key),
            tokens=self.bucket.tokens(now),
            announced=self.adaptation.announced,
            rate=self.adaptation.rate,
            burst=self.adaptation.burst,
            age=now - self.adaptation.event_at if not self.adaptation.calm else None,
        )

    def restore(self, state: BucketState, now: float) -> None:
        """Take up what an earlier run knew."""
        restore(self.bucket, self.adaptation, state, now)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def snapshot(self, now: float) -> LimitSnapshot:
        """As it is now."""
        return LimitSnapshot(
            operation=self.operation.name,
            application=self.account.application,
            account=self.account.key,
            region=self.account.region.value,
            rate=self.bucket.rate,
            announced_rate=self.adaptation.announced,
            burst=self.bucket.burst,
            tokens=self.bucket.tokens(now),
            waiting=self.line.total,
            next_available=self.predict(now, 1),
            admitted=self.admitted,
            throttled=self.throttled,
        )
