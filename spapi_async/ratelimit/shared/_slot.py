"""A token that a process has obtained from the store."""

from __future__ import annotations

import math

__all__ = ["Slot"]


class Slot:
    """A token, usable from the time ``at`` of the loop's clock until ``expires``.

    A leased token is returned as early as ``idle_at``, or later while calls come. ``booked`` is the time by the store's
    clock at which the store assumes that it is used; for a leased token, when it was taken here. ``proven`` is whether
    a reply had come before it was used.
    """

    __slots__ = ("at", "booked", "expires", "idle_at", "leased", "proven")

    def __init__(
        self,
        at: float,
        expires: float = math.inf,
        *,
        leased: bool = False,
        booked: float = -math.inf,
        idle_at: float = math.inf,
    ) -> None:
        self.at = at
        self.expires = expires
        self.leased = leased
        self.booked = booked
        self.idle_at = idle_at
        self.proven = False
