"""Grants that Login with Amazon has just refused: a thousand queued calls of a revoked seller ask it once, not each.

A refusal such as ``invalid_grant`` is final until somebody does something about it, so it is remembered for a minute.
What may have changed the answer makes it forgotten at once: a new client secret, or a code exchanged for a refresh
token. A new refresh token is another grant and was never refused.
"""

from __future__ import annotations

from collections import OrderedDict

from spapi_async._core.clock import Clock
from spapi_async.credentials import Grant
from spapi_async.errors import LWAError

__all__ = ["REFUSED_FOR", "Refusals"]

REFUSED_FOR = 60.0
"""Seconds for which a refused grant is not sent again."""

# What Login with Amazon says of a grant or a secret; other codes may be this library's reading of a proxy's status.
_FINAL = frozenset({"invalid_grant", "invalid_client"})
_MOST = 10_000


class Refusals:
    """What was refused, when, and in which words."""

    __slots__ = ("_by_grant", "_clock", "generation")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_grant: OrderedDict[Grant, tuple[float, LWAError]] = OrderedDict()
        self.generation = 0
        """Counts how often everything was forgotten."""

    def check(self, grant: Grant) -> None:
        """Pass a grant that was not refused lately.

        Raises:
            LWAError: it was; the same in an error of its own.
        """
        refused_at, error = self._by_grant.get(grant, (float("-inf"), None))
        age = self._clock.monotonic() - refused_at
        if error is None or age >= REFUSED_FOR:
            self._by_grant.pop(grant, None)
            return
        raise LWAError(
            f"{error.message} (it said so {age:.0f} s ago, and is asked again in {REFUSED_FOR - age:.0f} s)",
            code=error.code,
            status=error.status,
            request_id=error.request_id,
        )

    def remember(self, grant: Grant, error: LWAError, generation: int) -> None:
        """Note a refusal, if it is final and nothing has changed since the grant was sent in that generation."""
        if error.code not in _FINAL or generation != self.generation:
            return
        self._by_grant[grant] = (self._clock.monotonic(), error.with_traceback(None))
        while len(self._by_grant) > _MOST:
            self._by_grant.popitem(last=False)

    def forget(self) -> None:
        """Something was done about it: every grant may be sent again."""
        self._by_grant.clear()
        self.generation += 1

    def __repr__(self) -> str:
        return f"<Refusals {len(self._by_grant)}>"
