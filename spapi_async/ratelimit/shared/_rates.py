"""What observers are told about the rates that processes share."""

from __future__ import annotations

from spapi_async._core.events import RateChanged
from spapi_async.ratelimit.shared._lane import Lane

__all__ = ["rate_change"]


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
