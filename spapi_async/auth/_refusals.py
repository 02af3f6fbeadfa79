"""Grants that Login with Amazon has just refused: a thousand queued calls of a revoked seller make one request.

A refusal such as ``invalid_grant`` is final until somebody acts, so it is remembered for a minute. It is forgotten at
once when something may have changed the answer: a new client secret, or the exchange of a code for a refresh token. A
new refresh token is another grant, which was not refused.
"""

from __future__ import annotations

from collections import OrderedDict

from spapi_async._core.clock import Clock
from spapi_async.credentials import Grant
from spapi_async.errors import LWAError

__all__ = ["REFUSED_FOR", "Refusals"]

REFUSED_FOR = 60.0
"""Seconds for which a refused grant is not sent again."""

# Login with Amazon's codes for a refused grant or secret; other codes may be derived from the status of a proxy.
_FINAL = frozenset({"invalid_grant", "invalid_client"})
_MOST_REFUSALS = 10_000


class Refusals:
    """The refused grants, with time and error."""

    __slots__ = ("_by_grant", "_clock", "generation")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_grant: OrderedDict[Grant, tuple[float, LWAError]] = OrderedDict()
        self.generation = 0
        """Counts how often everything was forgotten."""

    def check(self, grant: Grant) -> None:
        """Admit a grant that was not refused recently.

        Raises:
            LWAError: the grant was refused recently; a copy of that error.
        """
        refused_at, error = self._by_grant.get(grant, (float("-inf"), None))
        age = self._clock.monotonic() - refused_at
        if error is None or age >= REFUSED_FOR:
            self._by_grant.pop(grant, None)
            return
        raise LWAError(
            f"{error.message} (it said so {age:.0f} s ago; it will be asked again in {REFUSED_FOR - age:.0f} s)",
            code=error.code,
            status=error.status,
            request_id=error.request_id,
        )

    def remember(self, grant: Grant, error: LWAError, generation: int) -> None:
        """Remember a refusal if it is final and nothing has changed since the grant was sent, in that generation."""
        if error.code not in _FINAL or generation != self.generation:
            return
        self._by_grant[grant] = (self._clock.monotonic(), error.with_traceback(None))
        while len(self._by_grant) > _MOST_REFUSALS:
            self._by_grant.popitem(last=False)

    def forget(self) -> None:
        """Something has changed: every grant may be sent again."""
        self._by_grant.clear()
        self.generation += 1

    def __repr__(self) -> str:
        return f"<Refusals {len(self._by_grant)}>"
