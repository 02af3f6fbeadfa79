"""How a window of more than one page is read so that no page shift loses an order. Pure.

Amazon's paging tokens may be numbers of orders to skip. Then an order that is updated between two pages leaves the
window, all later orders move up by one, and one order moves from the next page onto the page that was already read: it
is never seen. The first page of a request cannot shift, so each step here requests a window of its own, from where the
last one ended, and follows no token. It remains to determine where a page with a successor ended.

*A window whose page has no successor* was read completely, whatever the order of its page. This is the only proof,
since Amazon documents no sort order. So a window whose page has a successor is requested again, narrower, until it has
none. Halving windows would cost at least half as many requests again. This is unnecessary if pages are sorted by last
update, oldest first: then the first page contains everything up to its own latest update, and the next window begins
there. Whether pages are sorted is tested once for each seller and run: the first page with a successor is requested
again, up to a second before its latest update. If pages are sorted, this narrower window has no successor and nothing
new; otherwise pages are not sorted, and windows are halved from then on. Either way it is read completely. Afterwards
each window overlaps the previous page by a hundredth: an order there that the previous page did not contain also shows
that pages are not sorted, and then everything that was accepted without proof is read again. Orders that were updated
in the last minutes prove nothing, because lists show them late (``SETTLED``).

::

    after          latest                 before
      |--- page 1 ---|                      |     it has a successor: requested again up to ``latest``, once
      |--- again ---|                             the same orders: pages are sorted by update
                   |--- page 2 ---|         |     from here on one request per page
                                |--- page 3 |     no successor: the window is complete

A second with more orders than a page (Amazon changes many orders at once) cannot be halved. In this case tokens are
followed, repeatedly, until two rounds return the same orders: if all orders of the first round were still there in the
second, none of them left in between, and only an order that leaves makes another move onto a page already read.

An order that leaves the window while it is read is not lost: it was updated, and is in a later window.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

__all__ = ["Answer", "Ask", "Sorted", "Sorting", "Walk"]

_SECOND = timedelta(seconds=1)  # the resolution of Amazon's dates
_OVERLAP_SHARE = 100  # windows overlap by a hundredth of a page


class Sorted(enum.Enum):
    """Whether pages are sorted by last update, oldest first."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


class Sorting:
    """What is known about the sort order of one seller's operation; shared by all its walks."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = Sorted.UNKNOWN

    def __repr__(self) -> str:
        return f"<Sorting {self.state.value}>"


class Ask(NamedTuple):
    """What to request: orders updated from ``after`` to ``before``; None: to the end of the window.

    ``token`` is that of a page other than the first.
    """

    after: datetime
    before: datetime | None = None
    token: str | None = None


class Answer(NamedTuple):
    """The content of a page.

    Attributes:
        updates: the id and the last update of each order.
        token: the token of the next page; None if there is none.
        bound: the upper bound that Amazon used; None if not stated.
        settled: the time before which lists show every update.
    """

    updates: Sequence[tuple[str, datetime | None]]
    token: str | None
    bound: datetime | None
    settled: datetime


class Walk:
    """One window, read step by step: request :attr:`ask`, then :meth:`take` the page, until it is complete.

    Args:
        after: the start of the window, or the time that an earlier run has reached.
        before: the end of the window; None: the latest that Amazon allows.
        sorting: what is known about the sort order of the pages.

    Attributes:
        ask: what to request next.
        read_to: everything in the window that was updated before this time has been read.
        is_complete: whether nothing is left to request.
        has_gone_back: whether pages are not sorted, so that pages accepted without proof are read again.
        bound: the end of the window, if known.
        known: the orders of the pages just read, by id, which the next page may repeat.
    """

    __slots__ = (
        "_before",
        "_checked",
        "_first",
        "_latest",
        "_round",
        "_round_before",
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
        self._latest: datetime | None = None  # the latest update on the last page accepted without proof
        self._checked = False  # whether the requested window repeats a page, to test the sort order
        self._round: Mapping[str, datetime | None] = {}  # the orders of this round over a crowded second
        self._round_before: Mapping[str, datetime | None] = {}
        self._size = 0  # the number of orders on a page with a successor
        self._span = _SECOND  # the length of the last halved window

    def __repr__(self) -> str:
        return f"<Walk at {self.read_to.isoformat()}, pages sorted: {self._sorting.state.value}>"

    def take(self, answer: Answer) -> None:
        """Process a page and decide what to request next."""
        if self._before is None and self.ask.before is None:
            self.bound = answer.bound or self.bound
        if self._is_out_of_order(answer):
            self._go_back()
        elif answer.token is not None:
            self._go_into(answer, answer.token)
        elif self._round and {**self._round, **dict(answer.updates)} != self._round_before:
            self._remember(answer)
            self._round_before, self._round = {**self._round, **dict(answer.updates)}, {}
            self.ask = self.ask._replace(token=None)
        else:
            self._close(answer)

    # ---- a page with a successor ------------------------------------------------------------------------------------

    def _go_into(self, answer: Answer, token: str) -> None:
        after, dates = self.ask.after, _dates(answer)
        if self.ask.token is not None or not dates:  # an empty page does not show where the other orders are
            self._follow(answer, token)
            self._round = {**self._round, **dict(answer.updates)} if self._round else {}
            return
        if not self._lie_within(dates, answer) or (self._checked and dates[-1] <= answer.settled):
            # If pages were sorted, the repeated one would have had no successor.
            self._sorting.state = Sorted.NO
        state, self._checked, self._latest = self._sorting.state, False, None
        self._size = len(answer.updates)
        following = _next_start(dates, after)
        if state is Sorted.YES and following > after:
            self._latest, self.known = dates[-1], dict(answer.updates)
            self.read_to, self.ask = following, Ask(following)
        elif state is Sorted.UNKNOWN and self.ask.before is None and dates[-1] - _SECOND > after:
            self._checked, self.known = True, dict(answer.updates)
            self.ask = Ask(after, dates[-1] - _SECOND)
        else:
            end = self.ask.before or self.bound or dates[-1]
            if end <= after or (self.ask.before is not None and end - after <= _SECOND):
                self._follow(answer, token)
                self._round = dict(answer.updates)
            else:
                self._remember(answer)
                crowded = state is not Sorted.NO and dates[-1] - _SECOND <= after
                half = timedelta(seconds=0 if crowded else (end - after) // _SECOND // 2)
                self._span = max(half, _SECOND)
                self.ask = Ask(after, min(after + self._span, end))

    def _lie_within(self, dates: Sequence[datetime], answer: Answer) -> bool:
        """Whether the dates are in the requested window; they are cut to whole seconds."""
        end = self.ask.before or self._before or answer.bound
        return self.ask.after - _SECOND < dates[0] and (end is None or dates[-1] <= end)

    def _follow(self, answer: Answer, token: str) -> None:
        self._remember(answer)
        self.ask = self.ask._replace(token=token)

    # ---- a page without ---------------------------------------------------------------------------------------------

    def _close(self, answer: Answer) -> None:
        """The requested window is complete."""
        end = self.ask.before
        if self._checked and end is not None:
            self._learn(answer, end)
        self._checked, self._latest = False, None
        self._round = self._round_before = {}
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
        """Whether the page overlaps one accepted without proof, and has an order that should have been on that one."""
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

    def _remember(self, answer: Answer) -> None:
        self.known = {**self.known, **dict(answer.updates)}


def _dates(answer: Answer) -> list[datetime]:
    return sorted(date for _, date in answer.updates if date is not None)


def _next_start(dates: Sequence[datetime], after: datetime) -> datetime:
    """Where the window after this page begins: some orders back, unless that is the start of the page."""
    back = dates[max(len(dates) - 1 - len(dates) // _OVERLAP_SHARE, 0)]
    return back if back > after else dates[-1]


def _is_settled(date: datetime | None, answer: Answer) -> bool:
    return date is not None and date <= answer.settled
