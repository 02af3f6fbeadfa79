"""What the replies of a store say about rates: what observers are called with, and what the store has lost."""

from __future__ import annotations

from collections.abc import Iterable

from spapi_async._core.events import RateChanged
from spapi_async.ratelimit.shared._exchange import Phase
from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["owing_news", "rate_change"]


def rate_change(shown: dict[str, tuple[float, float]], lane: Lane) -> RateChanged | None:
    """How the shared picture of a plan changed, whichever process changed it, since ``shown``; updates that.

    Args:
        shown: announced and actual rate as observers know them, by the plan's key.
        lane: whose last reply may have news.
    """
    if lane.reply is None:
        return None
    plan, published = lane.reply.plan, lane.specs[0].rate
    old = shown.get(lane.keys[0], (published, published))
    if plan.announced == old[0] and old[1] < plan.rate < plan.announced:
        return None  # a recovery is told when it is complete
    new = shown[lane.keys[0]] = (plan.announced, plan.rate)
    if old == new:
        return None
    reason = "header" if old[0] != new[0] else "throttled" if new[1] < old[1] else "recovery"
    return RateChanged(operation=lane.operation.name, account=lane.account.name, old=old[1], new=new[1], reason=reason)


def owing_news(lane: Lane, lanes: Iterable[Lane]) -> list[Lane]:
    """Whose rates the store does not know any more, as the last reply to ``lane`` shows: its memory is another one.

    A lane hands over what it knows with its next request. That may be late for other processes, which have no call of
    that seller's to learn from and take the published rate for the true one.
    """
    if not lane.view.lost:
        return []
    quiet = (other for other in lanes if other.view is lane.view and other.exchange.phase is Phase.QUIET)
    return [other for other in quiet if other.reply is not None and other.reply.marker != lane.view.known]
