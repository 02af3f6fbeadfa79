"""Feedback for the store about one bucket: each item counts once, even if requests or replies are lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from spapi_async.ratelimit.shared._store import Feedback

__all__ = ["Outbox"]

_FROZEN = 8  # feedbacks with uncertain delivery; older ones are dropped, which can only cost this process tokens


class Outbox:
    """Collects feedback for the next request, and keeps sent feedback until the store has confirmed it.

    A feedback that was sent once is frozen: it is repeated unchanged, and the store recognises it by its number.

    Attributes:
        number: the number of the last request.
        lost: the number of the first request since the last reply that may have been carried out without a reply, or 0.
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
        """Whether the feedback helps other processes now; the mere use of tokens can wait for the next exchange."""
        news = self._open
        return news is not None and bool(news.back or news.credit or news.spent or news.rate or news.hits)

    @property
    def unsent(self) -> Feedback | None:
        """The feedback collected since the last request."""
        return self._open

    def feedback(self) -> Feedback:
        """The feedback for the next request, to be added to."""
        if self._open is None:
            self._open = Feedback(seq=self._next_number())
        return self._open

    def seal(self) -> list[Feedback]:
        """Begin a new request; returns its feedback."""
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
