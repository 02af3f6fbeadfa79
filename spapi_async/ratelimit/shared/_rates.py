"""Changes of rates in a store's replies, for observers, and rates that the store has lost."""

from __future__ import annotations

from collections.abc import Iterable

from spapi_async._core.events import RateChanged
from spapi_async.ratelimit.shared._exchange import Phase
from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["owing_news", "rate_change"]


def rate_change(shown: dict[str, tuple[float, float]], lane: Lane) -> RateChanged | None:
    """The change of a plan's shared rate since ``shown``, whichever process caused it; updates ``shown``.

    Args:
        shown: announced and actual rate as last reported to observers, by the plan's key.
        lane: the lane whose last reply is compared.
    """
    if lane.reply is None:
        return None
    plan, published = lane.reply.plan, lane.specs[0].rate
    old = shown.get(lane.keys[0], (published, published))
    if plan.announced == old[0] and old[1] < plan.rate < plan.announced:
        return None  # a recovery is reported when it is complete
    new = shown[lane.keys[0]] = (plan.announced, plan.rate)
    if old == new:
        return None
    reason = "header" if old[0] != new[0] else "throttled" if new[1] < old[1] else "recovery"
    return RateChanged(operation=lane.operation.name, account=lane.account.name, old=old[1], new=new[1], reason=reason)


def owing_news(lane: Lane, lanes: Iterable[Lane]) -> list[Lane]:
    """The lanes whose rates the store has lost, if the last reply to ``lane`` shows that the store lost its data.

    A lane sends its rates with its next request. That may be too late for other processes, which have made no call of
    that seller and use the published rate.
    """
    if not lane.view.lost:
        return []
    quiet = (other for other in lanes if other.view is lane.view and other.exchange.phase is Phase.QUIET)
    return [other for other in quiet if other.reply is not None and other.reply.marker != lane.view.known]
