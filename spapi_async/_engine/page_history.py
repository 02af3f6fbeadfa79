"""Detects pages that must not end an iteration, and pages that would make it endless.

- The last page of an iteration, if a token led to it, has a list of items, which may be empty. A page without a list is
  a broken reply; taken for the last page, it would end the iteration in the middle.
- A token that was followed before leads into a cycle. So does a page with the same items as an earlier page that had
  another token (amzn/selling-partner-api-docs#2090: the same page with a new token, for ever).
- Some pages are empty and have a successor. ``MOST_EMPTY`` of them in a row are treated as endless.

The memory for this does not grow with the number of pages. One earlier page is kept for comparison: the first, then the
second, the fourth, the eighth …: whatever the length of a cycle, eventually the kept page is part of it and is met
again (R. P. Brent, "An improved Monte Carlo factorization algorithm", 1980). Comparing two different pages costs next
to nothing, since their first items differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["MOST_EMPTY", "PageHistory"]

MOST_EMPTY = 50
"""Empty pages in a row. Amazon documents that empty pages occur; after the error an iteration can be continued."""

_REMEMBERED_TOKENS = 4096
"""Tokens remembered, as hashes; a longer cycle is detected by its content."""


class PageHistory:
    """The history of an iteration, as far as it is needed to detect a cycle."""

    __slots__ = ("_empty", "_next_anchor_at", "_pages", "anchor", "followed")

    def __init__(self, token: str | None) -> None:
        self.followed = {hash(token): None}
        self.anchor: Sequence[Any] = ()
        self._next_anchor_at = 1
        self._pages = self._empty = 0

    def was_followed(self, token: str) -> bool:
        """Whether this token has led to a page before."""
        return hash(token) in self.followed

    def follow(self, token: str) -> None:
        """Record that this token is followed."""
        self.followed[hash(token)] = None
        if len(self.followed) > _REMEMBERED_TOKENS:
            del self.followed[next(iter(self.followed))]

    def problem(self, items: Sequence[Any] | None, *, empty: bool, by_token: bool, last: bool) -> str | None:
        """Why this page must not be returned; None if it may be. ``items`` is None if the page has no list of items.

        A refused page counts as never read: it will be fetched again.
        """
        if items is None and last:
            return "it was reached through a token and has no list of items" if by_token else None
        if empty:
            self._empty += 1
            if last or self._empty < MOST_EMPTY:
                return None
            self._empty = 0  # a caller who continues accepts more empty pages
            return f"it is the {MOST_EMPTY}th empty page in a row, and there is a next page"
        if items == self.anchor and not last:
            return "it has the same items as an earlier page with another token, and there is a next page"
        self._empty = 0
        self._pages += 1
        assert items is not None
        if self._pages >= self._next_anchor_at:
            self.anchor, self._next_anchor_at = items, 2 * self._pages
        return None
