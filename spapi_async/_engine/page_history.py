"""Whether pages lead anywhere: what an iteration must not take for Amazon's end, nor follow for ever.

- The page that ends an iteration has a list of items, if an empty one, where a token led to it. Without one it is a
  broken reply, and taken for the last page it would end the iteration in the middle.
- A token that was followed before leads round in a circle; so does a page that holds what another held under another
  token (amzn/selling-partner-api-docs#2090: a new token with the same page, for ever).
- Some pages are empty and have a successor. ``MOST_EMPTY`` of them in a row lead nowhere.

The memory this takes does not grow with the pages. One earlier page is kept for comparison, the first, then the second,
the fourth, the eighth …: whatever the length of a circle, in time the page kept lies on it and is met again
(R. P. Brent, "An improved Monte Carlo factorization algorithm", 1980). Comparing two different pages costs next to
nothing, for their first items differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["MOST_EMPTY", "PageHistory"]

MOST_EMPTY = 50
"""Empty pages in a row. Amazon documents that there are some; an iteration that meets more can be asked to go on."""

_REMEMBERED = 4096
"""Tokens remembered, as their hashes; a longer circle shows by its content."""


class PageHistory:
    """What was read so far, as far as it is needed to tell that more of it leads nowhere."""

    __slots__ = ("_anchored_next", "_empty", "_pages", "anchor", "followed")

    def __init__(self, token: str | None) -> None:
        self.followed = {hash(token): None}
        self.anchor: Sequence[Any] = ()
        self._anchored_next = 1
        self._pages = self._empty = 0

    def was_followed(self, token: str) -> bool:
        """Whether this token has led to a page before."""
        return hash(token) in self.followed

    def follow(self, token: str) -> None:
        """Take note that this token is followed."""
        self.followed[hash(token)] = None
        if len(self.followed) > _REMEMBERED:
            del self.followed[next(iter(self.followed))]

    def problem(self, items: Sequence[Any] | None, *, empty: bool, by_token: bool, last: bool) -> str | None:
        """Why this page must not be handed out; None where it may be. ``items`` is None where it has no list of them.

        A page that was refused counts as never read: it is to be fetched again.
        """
        if items is None and last:
            return "it was reached through a token and has no list of items" if by_token else None
        if empty:
            self._empty += 1
            if last or self._empty < MOST_EMPTY:
                return None
            self._empty = 0  # whoever asks again has more patience
            return f"it is the {MOST_EMPTY}th empty page in a row, and names another"
        if items == self.anchor and not last:
            return "it holds the items of an earlier page, which had another token, and names another still"
        self._empty = 0
        self._pages += 1
        assert items is not None
        if self._pages >= self._anchored_next:
            self.anchor, self._anchored_next = items, 2 * self._pages
        return None
