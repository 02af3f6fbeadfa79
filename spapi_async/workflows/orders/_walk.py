"""How a window of more than one page is read so that no page shift loses an order. Pure.

Amazon's paging tokens may be numbers of orders to skip. Then an order that is updated between two pages leaves the
window, everything behind it moves up by one, and one order slides from the page to come onto the page that was read:
it is never seen. The first page of a request cannot shift, so each step here asks for a window of its own, from where
the last one ended, and follows no token. What is left is to know where a page with a successor ended.

*A window without a successor* was read whole, whatever the order of its page: that is the only proof there is, for
Amazon documents no order. So a window that has a successor is asked for again, narrower, until it has none. By halves
that would cost half as many requests again and more. It need not where pages come by last update, the oldest first:
then the first page holds everything up to its own latest update, and the next window begins there. Whether they do is
measured, once for each seller and run. The first page with a successor is asked for again up to a second before its
latest update. That narrower window has no successor and nothing new if pages come by update; if it has, they do not,
and windows are halved from then on. Either way it is read whole. Afterwards each window reaches back over a hundredth
of the page before it: an order there that this page did not hold says the same, and then everything that was taken on
trust is read again. What was updated in the last minutes proves nothing: lists show it late (``SETTLED``).

::

    after          latest                 before
      |--- page 1 ---|                      |     more follows: asked for again up to ``latest``, once
      |--- again ---|                             the same orders: pages come by update
                   |--- page 2 ---|         |     from there on a request a page
                                |--- page 3 |     nothing follows: the window is read

A second that holds more than a page (Amazon changes many orders at once) can be neither halved nor left: there tokens
are followed, again and again until a round brings nothing new.

No order is lost that leaves the window while it is read: it was updated, and stands in a later window.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

__all__ = ["Answer", "Ask", "Sorted", "Sorting", "Walk"]

_SECOND = timedelta(seconds=1)  # the grain of Amazon's dates
_REACH = 100  # a hundredth of a page is met again


class Sorted(enum.Enum):
    """Whether pages come by last update, the oldest first."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


class Sorting:
    """What is known of the pages of one seller's one operation; shared by all its walks."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = Sorted.UNKNOWN

    def __repr__(self) -> str:
        return f"<Sorting {self.state.value}>"


class Ask(NamedTuple):
    """What to ask for: orders updated from ``after`` to ``before``; None: to the end of the window.

    ``token`` leads to a page that is not the first.
    """

    after: datetime
    before: datetime | None = None
    token: str | None = None


class Answer(NamedTuple):
    """What a page says.

    Attributes:
        updates: the id and the last update of each order.
        token: of the page after it; None where nothing follows.
        bound: up to where Amazon looked; None where it does not say.
        settled: lists have shown everything that was updated before then.
    """

    updates: Sequence[tuple[str, datetime | None]]
    token: str | None
    bound: datetime | None
    settled: datetime


class Walk:
    """One window, read step by step: ask for :attr:`ask`, then :meth:`take` what came, until it is complete.

    Args:
        after: where it begins, or where an earlier run has come to.
        before: where it ends; None: as late as Amazon looks.
        sorting: what is known of these pages.

    Attributes:
        ask: what to ask for next.
        read_to: everything in the window that was updated before then has been read.
        is_complete: nothing is left to ask for.
        has_gone_back: pages do not come by update, and what was taken on trust is read again.
        bound: where the window ends, if that is known.
        known: the orders of the pages just read, which the next may bring again, by id.
    """

    __slots__ = (
        "_before",
        "_brought",
        "_checked",
        "_first",
        "_latest",
        "_size",
        "_sorting",
        "_span",
        "ask",
        "bound",
        "has_gone_back",
        "is_complete",
        "known",
        "read_to",
    )

    def __init__(self, after: datetime, before: datetime | None, sorting: Sorting) -> None:
        self.ask = Ask(after)
        self.read_to = after
        self.is_complete = self.has_gone_back = False
        self.known: Mapping[str, datetime | None] = {}
        self.bound = before
        self._first = after
        self._before = before
        self._sorting = sorting
        self._latest: datetime | None = None  # of the page that was trusted last
        self._checked = False  # the window asked for repeats a page, to see whether it comes by update
        self._brought = False  # this round over a crowded second has brought something new
        self._size = 0  # orders of a page that has a successor
        self._span = _SECOND  # of the last window that was halved to

    def __repr__(self) -> str:
        return f"<Walk at {self.read_to.isoformat()}, pages sorted: {self._sorting.state.value}>"

    def take(self, answer: Answer) -> None:
        """Go on from a page."""
        if self._before is None and self.ask.before is None:
            self.bound = answer.bound or self.bound
        if self._is_out_of_order(answer):
            self._go_back()
        elif answer.token is not None:
            self._go_into(answer, answer.token)
        elif self.ask.token is not None and self._is_crowded and self._has_news(answer):
            self._remember(answer)
            self.ask, self._brought = self.ask._replace(token=None), False
        else:
            self._close(answer)

    # ---- a page with a successor ------------------------------------------------------------------------------------

    def _go_into(self, answer: Answer, token: str) -> None:
        after, dates = self.ask.after, _dates(answer)
        if self.ask.token is not None or not dates:  # an empty page does not say where the others are
            self._follow(answer, token)
            return
        if not self._lie_within(dates, answer) or (self._checked and dates[-1] <= answer.settled):
            # Of pages that come by update, the one that was asked for again would have had no successor.
            self._sorting.state = Sorted.NO
        state, self._checked, self._latest = self._sorting.state, False, None
        self._size = len(answer.updates)
        following = _place_after(dates, after)
        if state is Sorted.YES and following > after:
            self._latest, self.known = dates[-1], dict(answer.updates)
            self.read_to, self.ask = following, Ask(following)
        elif state is Sorted.UNKNOWN and self.ask.before is None and dates[-1] - _SECOND > after:
            self._checked, self.known = True, dict(answer.updates)
            self.ask = Ask(after, dates[-1] - _SECOND)
        else:
            end = self.ask.before or self.bound or dates[-1]
            if end <= after or self._is_crowded:
                self._follow(answer, token)
            else:
                self._remember(answer)
                crowded = state is not Sorted.NO and dates[-1] - _SECOND <= after
                half = timedelta(seconds=0 if crowded else (end - after) // _SECOND // 2)
                self._span = max(half, _SECOND)
                self.ask = Ask(after, min(after + self._span, end))

    def _lie_within(self, dates: Sequence[datetime], answer: Answer) -> bool:
        """Whether the dates are what the window goes by; they are cut to whole seconds."""
        end = self.ask.before or self._before or answer.bound
        return self.ask.after - _SECOND < dates[0] and (end is None or dates[-1] <= end)

    def _follow(self, answer: Answer, token: str) -> None:
        self._brought = self._has_news(answer)
        self._remember(answer)
        self.ask = self.ask._replace(token=token)

    # ---- a page without ---------------------------------------------------------------------------------------------

    def _close(self, answer: Answer) -> None:
        """The window that was asked for is read."""
        end = self.ask.before
        if self._checked and end is not None:
            self._learn(answer, end)
        self._checked, self._latest, self._brought = False, None, False
        if end is None or (self._before is not None and end >= self._before):
            self.read_to = max(self.bound or self.read_to, self.read_to)
            self.is_complete = True
            return
        self.read_to, self.ask = end, Ask(end)
        self.known = {order_id: date for order_id, date in self.known.items() if date is None or date >= end}
        if self._sorting.state is Sorted.NO:
            self._span *= 2 if len(answer.updates) * 2 < self._size else 1
            if self.bound is None or end + self._span < self.bound:
                self.ask = Ask(end, end + self._span)

    def _learn(self, answer: Answer, end: datetime) -> None:
        if any(order_id not in self.known and _is_settled(date, answer) for order_id, date in answer.updates):
            self._sorting.state, self._span = Sorted.NO, end - self.ask.after
        elif end <= answer.settled:
            self._sorting.state = Sorted.YES

    # ---- trust ------------------------------------------------------------------------------------------------------

    def _is_out_of_order(self, answer: Answer) -> bool:
        """Whether the page reaches back over one that was trusted, and holds what that one should have held."""
        latest = self._latest
        return latest is not None and any(
            order_id not in self.known and date is not None and date < latest and _is_settled(date, answer)
            for order_id, date in answer.updates
        )

    def _go_back(self) -> None:
        self._sorting.state = Sorted.NO
        self.has_gone_back = True
        self._latest, self.known = None, {}
        self.read_to, self.ask = self._first, Ask(self._first)

    # ---- what was met -----------------------------------------------------------------------------------------------

    @property
    def _is_crowded(self) -> bool:
        """Whether the window asked for cannot be halved."""
        return self.ask.before is not None and self.ask.before - self.ask.after <= _SECOND

    def _has_news(self, answer: Answer) -> bool:
        return self._brought or any(order_id not in self.known for order_id, _ in answer.updates)

    def _remember(self, answer: Answer) -> None:
        self.known = {**self.known, **dict(answer.updates)}


def _dates(answer: Answer) -> list[datetime]:
    return sorted(date for _, date in answer.updates if date is not None)


def _place_after(dates: Sequence[datetime], after: datetime) -> datetime:
    """Where the window after this page begins: some orders back, unless that is where the page began."""
    back = dates[max(len(dates) - 1 - len(dates) // _REACH, 0)]
    return back if back > after else dates[-1]


def _is_settled(date: datetime | None, answer: Answer) -> bool:
    return date is not None and date <= answer.settled
