"""What the store has yet to be told about one bucket, so that each thing counts once, whatever gets lost on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from spapi_async.ratelimit.shared._store import Feedback

__all__ = ["Outbox"]

_FROZEN = 8  # feedbacks whose delivery is in doubt; older ones are dropped, which can only cost us tokens


class Outbox:
    """Gathers feedback until the next request takes it along, and keeps what was sent until the store confirmed it.

    A feedback that was sent once is frozen: it is sent again as it was, and the store knows it by its number.

    Attributes:
        number: of the last request. lost: of the first request since the last reply that may have been carried out
            without our hearing of it, or 0.
    """

    __slots__ = ("_frozen", "_next_number", "_open", "lost", "number")

    def __init__(self, next_number: Callable[[], int]) -> None:
        self._next_number = next_number
        self._frozen: deque[Feedback] = deque(maxlen=_FROZEN)
        self._open: Feedback | None = None
        self.number = 0
        self.lost = 0

    def __bool__(self) -> bool:
        return self._open is not None or bool(self._frozen)

    @property
    def is_urgent(self) -> bool:
        """Whether others gain from hearing now what has gathered; mere use can wait for the next exchange."""
        news = self._open
        return news is not None and bool(news.back or news.credit or news.spent or news.rate or news.hits)

    @property
    def unsent(self) -> Feedback | None:
        """What has gathered since the last request."""
        return self._open

    def feedback(self) -> Feedback:
        """What the next request will take along, to be added to."""
        if self._open is None:
            self._open = Feedback(seq=self._next_number())
        return self._open

    def seal(self) -> list[Feedback]:
        """Begin a new request: what it has to say."""
        if self._open is not None:
            self._frozen.append(self._open)
            self._open = None
        self.number = self._next_number()
        return list(self._frozen)

    def confirmed(self) -> None:
        """The reply came."""
        self._frozen.clear()
        self.lost = 0

    def doubtful(self) -> None:
        """No reply came."""
        self.lost = self.lost or self.number
