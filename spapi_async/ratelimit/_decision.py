"""Which calls are admitted now, and when to check again: one synchronous decision over every limit of a call.

*Lanes.* Calls that use the same limits wait in one lane, in order of arrival within each priority. A lane with waiting
calls is in the queue of exactly one limit: the one that will admit it last or, if all have room, the one at which other
lanes were waiting before it.

*The decision* (:func:`assign`) goes through the limits that may have room again. At each limit it considers the lane
whose turn it is. If every other limit of that lane has room, too, the lane's first call is admitted and takes a token
from all of them at once. If one limit has no room, the lane moves to the queue of that limit and takes nothing, and
the next lane in the queue is considered. So room that the first lane cannot use yet is used by others, and no call
waits while all its limits have room.

*No starvation.* A lane that moves keeps its age, so in any queue it comes before lanes that arrived later. Still, two
busy limits could send it back and forth if each always has room when the other has none. When a lane has moved often
enough, a token is therefore reserved for it where its turn had come, unless it has to wait elsewhere for longer than
that limit needs to admit the next call.

*Blame.* A 429 shows that one of the limits had fewer tokens than estimated, but rarely which one (:func:`blame`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._meter import Lane, Meter
from spapi_async.ratelimit._rules import named_level
from spapi_async.ratelimit._waiting import Waiter

__all__ = ["MOST_MOVES", "Launch", "assign", "blame", "dequeue", "enqueue", "has_room", "overdue", "predict"]

MOST_MOVES = 8
"""Moves of a lane between limits after which a token is reserved for it at the limit where its turn has come."""

PREDICTION_ROUNDS = 8
"""How often a prediction is refined by the calls of others that their own limits admit until then."""


def has_room(lane: Lane, now: float) -> bool:
    """Whether a new call is admitted at once: all limits have room, and no call is waiting before it."""
    for meter in lane.meters:
        if meter.queue.total or not meter.counter.has_token(now):
            return False
    return not lane.queue.total


Launch = Callable[[Lane, Waiter, float], None]
"""Charges every limit of a lane for a call of its queue that is admitted now."""


def assign(meters: Iterable[Meter], now: float, launch: Launch) -> dict[Meter, float | None]:
    """Admit the calls for which these limits have room, one by one; returns when to check each limit again, in seconds.

    The value is None for a limit at which no call waits.
    """
    agenda = list(meters)
    revisit: dict[Meter, float | None] = {}
    while agenda:
        meter = agenda.pop()
        queue, counter = meter.queue, meter.counter
        while queue.total and counter.has_token(now):
            lane = queue.first()
            if not lane.queue.total:  # its calls were just refused, and their tasks have not run yet
                agenda += dequeue(lane)
                continue
            obstacle = _obstacle(lane, now)
            if obstacle is not None:
                lane.moves += 1
                agenda += _move(lane, obstacle, now)
                revisit[obstacle] = None
                continue
            waiter = lane.queue.pop()
            queue.serve(lane)
            lane.waits_at, lane.moves = None, 0
            agenda += _release(lane)
            if waiter is not None:
                launch(lane, waiter, now)
            agenda += [other for other in enqueue(lane, now) if other is not meter]
        revisit[meter] = None
    for meter in revisit:
        if meter.queue.total:
            revisit[meter] = meter.counter.delay(now)
    return revisit


def enqueue(lane: Lane, now: float) -> list[Meter]:
    """Put a lane with waiting calls into the right queue; returns the limits that must be checked."""
    if not lane.queue.total:
        return dequeue(lane)
    obstacle = _obstacle(lane, now) or next((meter for meter in lane.meters if meter.queue.total), lane.meters[0])
    for meter in lane.meters:
        meter.lanes[lane] = None
    return [*_move(lane, obstacle, now), obstacle]


def dequeue(lane: Lane) -> list[Meter]:
    """Remove a lane that has no waiting calls any more."""
    left = _release(lane)
    if lane.waits_at is not None:
        lane.waits_at.queue.leave(lane)
        left.append(lane.waits_at)
        lane.waits_at = None
    for meter in lane.meters:
        meter.lanes.pop(lane, None)
    return left


def _move(lane: Lane, target: Meter, now: float) -> list[Meter]:
    """Move a lane to another limit, or within a queue; returns the limits that no longer reserve a token for it."""
    here, wait = lane.waits_at, target.counter.delay(now)
    if here is not None and here is not target:
        here.queue.leave(lane)
        if lane.moves >= MOST_MOVES and here.counter.has_token(now):
            here.counter.reserved += 1
            lane.reserved_at.append(here)
    released = [meter for meter in lane.reserved_at if meter is target or wait > meter.interval]
    for meter in released:
        lane.reserved_at.remove(meter)
        meter.counter.reserved -= 1
    lane.waits_at = target
    priority = lane.queue.next_priority()
    target.queue.join(lane, priority, lane.turn if target.charge.shared else lane.queue.oldest(priority))
    return released


def _release(lane: Lane) -> list[Meter]:
    released, lane.reserved_at = lane.reserved_at, []
    for meter in released:
        meter.counter.reserved -= 1
    return released


def _obstacle(lane: Lane, now: float) -> Meter | None:
    """The limit that will admit a lane last; None if all have room for its next call."""
    longest, obstacle = 0.0, None
    for meter in lane.meters:
        counter = meter.counter
        mine = meter in lane.reserved_at
        counter.reserved -= mine
        if not counter.has_token(now):
            delay = counter.delay(now)
            if obstacle is None or delay > longest:
                longest, obstacle = delay, meter
        counter.reserved += mine
    return obstacle


# ---- looking ahead --------------------------------------------------------------------------------------------------


def predict(lane: Lane, now: float, priority: int, count: int = 1) -> float:
    """Seconds until ``count`` calls made now will be admitted, without more urgent calls or changes of a rate."""
    ahead = lane.queue.ahead(priority) if lane.queue.total else 0
    own = ahead + count
    wait = 0.0
    for meter in lane.meters:
        if len(meter.lanes) > (lane in meter.lanes):
            break  # other lanes wait there
        wait = max(wait, meter.counter.delay(now, own))
    else:
        return wait
    wait = 0.0
    for _ in range(PREDICTION_ROUNDS):
        longest = max(_delay(meter, lane, now, (priority, own, wait)) for meter in lane.meters)
        if longest <= wait:
            break
        wait = longest
    return wait


def _delay(meter: Meter, lane: Lane, now: float, wish: tuple[int, int, float]) -> float:
    """Seconds until one limit has admitted ``wish`` = (priority, calls, horizon), including other lanes that wait.

    The calls of other lanes are bounded by those that their own limits admit within the horizon.
    """
    priority, own, horizon = wish
    others = 0
    if len(meter.lanes) > (lane in meter.lanes):
        if meter.charge.shared:
            others = _rivals(meter, lane, priority, own)
        else:
            for other in meter.lanes:
                if other is not lane:
                    others += min(other.queue.up_to(priority), _passable(other, meter, now, horizon))
    return meter.counter.delay(now, own + others)


def _rivals(meter: Meter, lane: Lane, priority: int, own: int) -> int:
    """Calls of other sellers that come before: sellers take turns, so each has at most as many as this one."""
    counts_itself = lane.waits_at is meter and lane.queue.next_priority() <= priority
    rivals = max(meter.queue.up_to(priority) - counts_itself, 0)
    if own == 1 or not rivals:
        return rivals
    return sum(min(own, other.queue.up_to(priority)) for other in meter.lanes if other is not lane)


def _passable(lane: Lane, meter: Meter, now: float, horizon: float) -> int:
    """How many calls of a lane its other limits admit within the horizon."""
    number = lane.queue.total
    for other in lane.meters:
        if other is not meter:
            counter = other.counter
            number = min(number, int(max(counter.tokens(now) + horizon * counter.rate, 0.0)))
    return number


def overdue(meters: Iterable[Meter], now: float) -> list[tuple[Lane, Waiter, float]]:
    """Calls that can no longer be admitted within their ``max_wait``, and how long they would have to wait."""
    found = []
    for lane in {lane: None for meter in meters for lane in meter.lanes}:
        if not lane.queue.impatient:
            continue
        place = 0
        for waiter in lane.queue.in_order():
            place += 1
            if waiter.deadline is None:
                continue
            wait = max(_delay(meter, lane, now, (waiter.priority, place, 0.0)) for meter in lane.meters)
            if now + wait > waiter.deadline:
                found.append((lane, waiter, wait))
                place -= 1
    return found


# ---- looking back ---------------------------------------------------------------------------------------------------


def blame(lane: Lane, flights: Sequence[Flight], refusal: bytes) -> Meter | None:
    """The limit that a 429 is about; None for a limit of the lane's value that is not known yet.

    Amazon's message may name the limit. Otherwise, a limit is suspected if another lane was refused there just before
    and no call has been served since: the two refused lanes have it in common. Otherwise, the limit with the fewest
    estimated tokens is suspected. But if the usage plan should have had room, and calls with another value of the
    argument use it as well, the value is suspected.

    Limits that were learned while the request was under way have no flight.
    """
    level = named_level(refusal)
    if level:
        for meter in lane.meters:
            if meter.charge.level == level:
                return meter
    for meter in lane.meters:
        if meter.suspect is not None and meter.suspect is not lane:
            return meter
    if lane.value and len(flights) == 1 and flights[0].spare >= 2:
        return lane.meters[1] if len(lane.meters) > 1 else None
    charged = zip(lane.meters, flights, strict=False)
    return min(charged, key=lambda pair: (_fraction(*pair), _breadth(pair[0])))[0]


def _fraction(meter: Meter, flight: Flight) -> float:
    return flight.spare / meter.counter.burst


def _breadth(meter: Meter) -> int:
    """Of two equally full limits, the narrower one is more likely to have been emptied by another client."""
    return 2 * meter.charge.shared + (meter.charge.kind != "rule")
