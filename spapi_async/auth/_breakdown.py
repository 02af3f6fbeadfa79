"""A circuit breaker for Login with Amazon: during an outage calls fail at once, except for one probe at a time.

A call that needs a token makes up to four attempts before it fails. During an outage, a thousand calls would keep the
endpoint busy and their users waiting. So after two failures in a row that do not concern a single grant, calls fail
without a request, except for one probe after a pause that doubles; its outcome decides for all calls.
"""

from __future__ import annotations

import copy

from spapi_async._core.clock import Clock
from spapi_async._core.home_loop import HomeLoop
from spapi_async.errors import AuthError, LWAError, SPAPIError, TransportError

__all__ = ["Breakdown"]

TRIPS_AFTER = 2
"""Failures in a row after which calls fail without a request."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds from a failure to the next probe."""

# These refusals concern one grant and say nothing about others. A 429 only means too many requests.
_OF_ONE_GRANT = frozenset({"invalid_grant", "invalid_scope", "invalid_request", "unsupported_grant_type"})


class Breakdown:
    """The outcomes of the last exchanges, and whether the next one may be tried."""

    __slots__ = ("_clock", "_error", "_failed_at", "_failures", "_home", "_pause", "_probing")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._error: SPAPIError | None = None
        self._failed_at = 0.0
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._probing = False
        self._home = HomeLoop("the circuit breaker of Login with Amazon", drop=self._forget_probe)

    def check(self) -> bool:
        """Admit an exchange; True if it is the probe, whose outcome must be reported to :meth:`ended`.

        Raises:
            LWAError, TransportError: a copy of the last failure.
        """
        error = self._error
        if error is None or self._failures < TRIPS_AFTER:
            return False
        self._home.enter()
        now = self._clock.monotonic()
        wait = self._failed_at + self._pause - now
        if wait <= 0 and not self._probing:
            self._probing = True
            return True
        mine = copy.copy(error)
        mine.retry_after = max(wait, 0.0)
        mine.message = (
            f"{error.message} (it has failed {self._failures} times in a row, last {now - self._failed_at:.1f} s ago; "
            f"{'one call is trying now' if self._probing else f'the next try is in {mine.retry_after:.1f} s'})"
        )
        raise mine

    def ended(self, error: BaseException | None, *, probe: bool) -> None:
        """An exchange returned a token (``error`` is None), failed, or was cancelled."""
        if probe:
            self._probing = False
        if error is None or (isinstance(error, LWAError) and not _concerns_all_grants(error)):
            self._error, self._failures, self._pause = None, 0, FIRST_PAUSE
        elif isinstance(error, AuthError | TransportError):
            if probe:
                self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._failures += 1
            self._failed_at = self._clock.monotonic()
            self._error = error.with_traceback(None)

    def forget(self) -> None:
        """Something has changed: allow requests again."""
        self._error, self._failures, self._pause = None, 0, FIRST_PAUSE

    def _forget_probe(self, forked: bool) -> None:  # noqa: ARG002, FBT001 - a former loop's never ends in either case
        self._probing = False

    def __repr__(self) -> str:
        return f"<Breakdown failures={self._failures}>"


def _concerns_all_grants(error: LWAError) -> bool:
    return error.code not in _OF_ONE_GRANT and error.status != 429
