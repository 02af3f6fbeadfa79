"""When a seller is due again: pure decisions from the outcome of its last slice."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping

import msgspec

__all__ = ["LONGEST_PAUSE", "Outcome", "SellerState", "after", "by_wall_clock"]

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0  # seconds after a failure, doubled each time
HELD_PAUSE = 5.0  # seconds until another attempt at a seller on which another process works
_JITTER = 0.1  # of the time between two slices, so that sellers do not come in waves


class Outcome(enum.StrEnum):
    """How a slice ended."""

    COMPLETE = "complete"
    """Everything that Amazon shows is stored."""
    CUT_OFF = "cut_off"
    """The slice's time ended before everything was done."""
    HELD = "held"
    """Another process works on this seller."""
    FAILED = "failed"
    REVOKED = "revoked"
    """The seller's grant was revoked: it needs a new authorisation."""


class SellerState(msgspec.Struct, frozen=True, kw_only=True):
    """A seller's state on the board; times are seconds since the epoch.

    Attributes:
        due_at: when its next slice should begin.
        complete_at: when it was last complete; None if never.
        failures: the number of failed slices in a row.
        reason: why the last slice failed.
        revoked: whether the seller needs a new authorisation.
        reconciled_to: up to when its orders were reconciled, by age (``2h``), if order reports are a source.
    """

    seller: str
    due_at: float = 0.0
    complete_at: float | None = None
    failures: int = 0
    reason: str = ""
    revoked: bool = False
    reconciled_to: dict[str, float] = {}


def after(
    state: SellerState,
    outcome: Outcome,
    *,
    now: float,
    every: float,
    quota_in: float,
    reason: str = "",
    reconciled_to: Mapping[str, float] | None = None,
    rng: random.Random,
) -> SellerState:
    """The state after a slice.

    Args:
        state: the state before the slice.
        outcome: how the slice ended.
        now: the board's time.
        every: seconds between two slices of a seller that is complete.
        quota_in: seconds until its quota allows the next search.
        reason: why it failed.
        reconciled_to: what the slice has reconciled, by age.
        rng: for the jitter.
    """
    if reconciled_to:
        state = msgspec.structs.replace(state, reconciled_to={**state.reconciled_to, **reconciled_to})
    if outcome is Outcome.COMPLETE:
        pause = max(every * rng.uniform(1 - _JITTER, 1 + _JITTER), quota_in)
        return SellerState(seller=state.seller, due_at=now + pause, complete_at=now, reconciled_to=state.reconciled_to)
    if outcome is Outcome.CUT_OFF:
        return msgspec.structs.replace(state, due_at=now, failures=0, reason="")
    if outcome is Outcome.HELD:
        return msgspec.structs.replace(state, due_at=max(state.due_at, now + HELD_PAUSE))
    failures = state.failures + 1
    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE) * rng.uniform(1, 1 + _JITTER)
    return msgspec.structs.replace(
        state, due_at=now + pause, failures=failures, reason=reason, revoked=outcome is Outcome.REVOKED
    )


def by_wall_clock(state: SellerState, ahead: float) -> SellerState:
    """A state whose times are those of a clock that the board is ahead of by so many seconds."""
    return msgspec.structs.replace(
        state,
        due_at=max(state.due_at - ahead, 0.0),
        complete_at=None if state.complete_at is None else state.complete_at - ahead,
        reconciled_to={age: at - ahead for age, at in state.reconciled_to.items()},
    )
