"""Who may leave now, and when to look again: one synchronous decision over every limit that a call pays from.

*Lanes.* Calls that pay from the same limits wait in one lane, in order of arrival within each priority. A lane that has
somebody waiting stands in the line of exactly one limit: the one that will let it through last, or, when all have room,
the one at which others were there first.

*The decision* (:func:`assign`) goes through the limits that may have room again. At each it asks the lane whose turn
it is. If every other limit of that lane has room too, its first call leaves and pays from all of them at once. If one
has not, the lane moves to that one's line and pays nothing; the next in line is asked. So room that the first cannot
use yet is used by others, and no call waits while everything it needs is there.

*No starvation.* A lane that moves keeps its age, and so comes before those that came after it wherever it stands. Two
busy limits could hand it to and fro all the same, if each always has room when the other has none. Who has moved often
enough is therefore kept a place where it would have been its turn, if it has to wait elsewhere for no longer than that
limit needs to let the next one in.

*Blame.* A 429 says that one of the limits was emptier than believed, but rarely which (:func:`blame`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from spapi_async.ratelimit._bucket import Flight
from spapi_async.ratelimit._meter import Lane, Meter
from spapi_async.ratelimit._rules import named_level
from spapi_async.ratelimit._shares import PATIENCE
from spapi_async.ratelimit._waiting import Waiter

__all__ = ["Launch", "assign", "blame", "overdue", "predict", "seat", "unseat"]

ROUNDS = 8
"""How often a prediction is refined by what others, held up by limits of their own, will have taken until then."""


def has_room(lane: Lane, now: float) -> bool:
    """Whether a call that comes now may leave at once: room everywhere, and nobody before it."""
    for meter in lane.meters:
        if meter.line.total or not meter.counter.has_token(now):
            return False
    return not lane.line.total


Launch = Callable[[Lane, Waiter, float], None]
"""Charges every limit of a lane for a call of its line that leaves now."""


def assign(meters: Iterable[Meter], now: float, launch: Launch) -> dict[Meter, float | None]:
    """Admit everybody whom these limits let through, one by one; which to look at again, and in how many seconds.

    None stands for a limit at which nobody waits.
    """
    agenda = list(meters)
    revisit: dict[Meter, float | None] = {}
    while agenda:
        meter = agenda.pop()
        line, counter = meter.line, meter.counter
        while line.total and counter.has_token(now):
            lane = line.first()
            obstacle = _obstacle(lane, now)
            if obstacle is not None:
                lane.moves += 1
                agenda += _move(lane, obstacle, now)
                revisit[obstacle] = None
                continue
            waiter = lane.line.pop()
            line.serve(lane)
            lane.stand, lane.moves = None, 0
            agenda += _release(lane)
            if waiter is not None:
                launch(lane, waiter, now)
            agenda += [other for other in seat(lane, now) if other is not meter]
        revisit[meter] = None
    for meter in revisit:
        if meter.line.total:
            revisit[meter] = meter.counter.delay(now)
    return revisit


def seat(lane: Lane, now: float) -> list[Meter]:
    """Let a lane stand where it belongs, if anybody waits in it; the limits that are to be looked at."""
    if not lane.line.total:
        return unseat(lane)
    obstacle = _obstacle(lane, now) or next((meter for meter in lane.meters if meter.line.total), lane.meters[0])
    for meter in lane.meters:
        meter.lanes[lane] = None
    return [*_move(lane, obstacle, now), obstacle]


def unseat(lane: Lane) -> list[Meter]:
    """Nobody waits in it any more."""
    left = _release(lane)
    if lane.stand is not None:
        lane.stand.line.leave(lane)
        left.append(lane.stand)
        lane.stand = None
    for meter in lane.meters:
        meter.lanes.pop(lane, None)
    return left


def _move(lane: Lane, target: Meter, now: float) -> list[Meter]:
    """Stand at another limit, or at another place of the same; the limits that keep no place for it any more."""
    here, wait = lane.stand, target.counter.delay(now)
    if here is not None and here is not target:
        here.line.leave(lane)
        if lane.moves >= PATIENCE and here.counter.has_token(now):
            here.counter.kept += 1
            lane.kept.append(here)
    released = [meter for meter in lane.kept if meter is target or wait > meter.interval]
    for meter in released:
        lane.kept.remove(meter)
        meter.counter.kept -= 1
    lane.stand = target
    priority = lane.line.next_priority()
    target.line.join(lane, priority, lane.turn if target.charge.shared else lane.line.oldest(priority))
    return released


def _release(lane: Lane) -> list[Meter]:
    released, lane.kept = lane.kept, []
    for meter in released:
        meter.counter.kept -= 1
    return released


def _obstacle(lane: Lane, now: float) -> Meter | None:
    """The limit that will let a lane through last; None when all have room for its next call."""
    longest, obstacle = 0.0, None
    for meter in lane.meters:
        counter = meter.counter
        mine = meter in lane.kept
        counter.kept -= mine
        if not counter.has_token(now):
            delay = counter.delay(now)
            if obstacle is None or delay > longest:
                longest, obstacle = delay, meter
        counter.kept += mine
    return obstacle


# ---- looking ahead --------------------------------------------------------------------------------------------------


def predict(lane: Lane, now: float, priority: int, count: int = 1) -> float:
    """Seconds until ``count`` calls that come now will have left, if nobody more urgent comes and no rate changes."""
    ahead = lane.line.ahead(priority) if lane.line.total else 0
    own = ahead + count
    wait = 0.0
    for meter in lane.meters:
        if len(meter.lanes) > (lane in meter.lanes):
            break  # others wait there
        wait = max(wait, meter.counter.delay(now, own))
    else:
        return wait
    wait = 0.0
    for _ in range(ROUNDS):
        longest = max(_delay(meter, lane, now, (priority, own, wait)) for meter in lane.meters)
        if longest <= wait:
            break
        wait = longest
    return wait


def _delay(meter: Meter, lane: Lane, now: float, wish: tuple[int, int, float]) -> float:
    """Seconds until one limit has let through so many calls of a priority, where others that wait take their part.

    What others can take is bounded by what their own limits let through within a horizon: (priority, calls, horizon).
    """
    priority, own, horizon = wish
    others = 0
    if len(meter.lanes) > (lane in meter.lanes):
        if meter.charge.shared:
            others = _rivals(meter, lane, priority, own)
        else:
            for other in meter.lanes:
                if other is not lane:
                    others += min(other.line.up_to(priority), _passable(other, meter, now, horizon))
    return meter.counter.delay(now, own + others)


def _rivals(meter: Meter, lane: Lane, priority: int, own: int) -> int:
    """Sellers take turns: each other one is served at most as often as this one before it is this one's turn."""
    rivals = meter.line.up_to(priority) - (lane.stand is meter)
    if own == 1 or not rivals:
        return max(rivals, 0)
    return sum(min(own, other.line.up_to(priority)) for other in meter.lanes if other is not lane)


def _passable(lane: Lane, meter: Meter, now: float, horizon: float) -> int:
    """How many calls of a lane its other limits let through within the horizon."""
    number = lane.line.total
    for other in lane.meters:
        if other is not meter:
            counter = other.counter
            number = min(number, int(max(counter.tokens(now) + horizon * counter.rate, 0.0)))
    return number


def overdue(meters: Iterable[Meter], now: float) -> list[tuple[Lane, Waiter, float]]:
    """Calls that cannot be served within their ``max_wait`` any more, and how long they would have to wait."""
    found = []
    for lane in {lane: None for meter in meters for lane in meter.lanes}:
        if not lane.line.impatient:
            continue
        place = 0
        for waiter in lane.line.in_order():
            place += 1
            if waiter.deadline is None or waiter.future.done():
                continue
            wait = max(_delay(meter, lane, now, (waiter.priority, place, 0.0)) for meter in lane.meters)
            if now + wait > waiter.deadline:
                found.append((lane, waiter, wait))
                place -= 1
    return found


# ---- looking back ---------------------------------------------------------------------------------------------------


def blame(lane: Lane, flights: Sequence[Flight], refusal: bytes) -> Meter | None:
    """Whose 429 it was; None: a limit of the lane's value alone that is not known yet.

    Amazon's message may name it. Else a limit is suspected at which another lane was refused just before, with nobody
    served since: it is what the two have in common. Else the one that was nearest to empty as far as was known; but
    where the usage plan should have had room for more, and others spend from it for another value of the argument, the
    value is suspected.
    """
    level = named_level(refusal)
    if level:
        for meter in lane.meters:
            if meter.charge.level == level:
                return meter
    for meter in lane.meters:
        if meter.suspect is not None and meter.suspect is not lane:
            return meter
    emptiest = min(zip(lane.meters, flights, strict=True), key=lambda pair: (_fraction(*pair), _breadth(pair[0])))[0]
    if lane.value and len(lane.meters) == 1 and flights[0].spare >= 2:
        return None
    return emptiest


def _fraction(meter: Meter, flight: Flight) -> float:
    return flight.spare / meter.counter.burst


def _breadth(meter: Meter) -> int:
    """Of two limits that were as full, the narrower one is the likelier to be somebody else's doing."""
    return 2 * meter.charge.shared + (meter.charge.kind != "rule")
