"""The requests of one operation that this process has sent, until they are answered. Pure."""

from __future__ import annotations

import itertools
import math

from spapi_async.ratelimit._bucket import LONGEST_SILENCE
from spapi_async.ratelimit._jitter import UNKNOWN_JITTER, Jitter
from spapi_async.ratelimit.shared._slot import Slot

__all__ = ["Flights", "Silence"]

_ROUND_TRIP_PERIOD = 5.0  # seconds; the longest round trip is remembered for one to two of these periods


class Silence:
    """Unanswered requests of this process for one bucket: they may arrive late, and all together.

    As in ``_bucket.py``: when a reply is overdue and no later request was answered, none of these requests may have
    arrived. However long that lasts, Amazon's bucket has no more than its burst for all of them. A silence usually
    affects all processes, so each has its part of the burst.

    Attributes:
        most: how many requests may be under way in a silence.
    """

    __slots__ = ("_unanswered", "most")

    def __init__(self, most: float) -> None:
        self.most = most
        # When each was sent and by when its reply should come; in the order sent.
        self._unanswered: dict[Slot, tuple[float, float]] = {}

    def depart(self, slot: Slot, now: float, answered_by: float) -> None:
        """A request is sent now."""
        self._unanswered[slot] = now, answered_by

    def end(self, slot: Slot) -> None:
        """The request was answered, or is given up: all requests sent before it have arrived, too."""
        if slot in self._unanswered:
            for earlier in list(self._unanswered):
                del self._unanswered[earlier]
                if earlier is slot:
                    break

    def recall(self, slot: Slot) -> None:
        """The request was not sent after all."""
        self._unanswered.pop(slot, None)

    def lasts(self, now: float) -> float:
        """Seconds for which no other request may be sent, if there is no reply."""
        unanswered = self._unanswered
        while unanswered and (first := next(iter(unanswered.items())))[1][0] + LONGEST_SILENCE <= now:
            del unanswered[first[0]]
        too_many = len(unanswered) + 1 - max(int(self.most), 1)
        if too_many <= 0 or next(iter(unanswered.values()))[1] > now:
            return 0.0
        left_at, _ = next(itertools.islice(unanswered.values(), too_many - 1, None))
        return left_at + LONGEST_SILENCE - now


class Flights:
    """Tells the store up to which time all requests have arrived at Amazon, and how late requests may arrive.

    Attributes:
        landed_at: when the last outcome was known.
        replied: whether any request was answered; until then nothing is known of the network.
    """

    __slots__ = ("_departed", "_earlier", "_jitter", "_lately", "_turned_at", "landed_at", "replied")

    def __init__(self) -> None:
        self._departed: dict[Slot, tuple[float, Silence]] = {}  # in the order sent
        self._jitter = Jitter()
        self._lately = self._earlier = 0.0
        self._turned_at = 0.0
        self.replied = False
        self.landed_at = 0.0

    def __len__(self) -> int:
        return len(self._departed)

    def depart(self, slot: Slot, now: float, silence: Silence) -> None:
        """A token was given to a call: its request is sent now. A delay counts as a delay of the network."""
        self._departed[slot] = (now if slot.leased else slot.at), silence
        slot.proven = self.replied
        silence.depart(slot, now, now + self._jitter.reply_within)

    def recall(self, slot: Slot) -> None:
        """The request was not sent after all."""
        if slot in self._departed:
            _, silence = self._departed.pop(slot)
            silence.recall(slot)

    def land(self, slot: Slot, now: float, *, replied: bool) -> None:
        """The outcome of a request is known: a reply came, or it is given up."""
        round_trip = 0.0
        if slot in self._departed:
            left_at, silence = self._departed.pop(slot)
            silence.end(slot)
            round_trip = now - left_at
        self.landed_at = now
        self._turn(now)
        self._lately = max(self._lately, round_trip)
        if replied:
            self.replied = True
            if slot.proven:
                self._jitter.record(round_trip)

    def lateness(self, least: float) -> float:
        """Seconds by which a request may arrive later than the quickest."""
        return max(self._jitter.bound, least) if self.replied else UNKNOWN_JITTER

    def booked_first(self) -> float:
        """The earliest time, by the store's clock, at which the store assumes a request under way was sent."""
        return min((slot.booked for slot in self._departed), default=math.inf)

    def slowest(self, now: float) -> float:
        """The longest recent round trip, in seconds."""
        self._turn(now)
        return max(self._lately, self._earlier)

    def _turn(self, now: float) -> None:
        if now - self._turned_at > _ROUND_TRIP_PERIOD:
            self._earlier, self._lately = self._lately, 0.0
            self._turned_at = now
