"""A token as a process holds it."""

from __future__ import annotations

import math

__all__ = ["Slot"]


class Slot:
    """A token, usable at the moment ``at`` of the loop's clock and until ``expires``.

    On lease it goes back at ``idle_at`` already, or later while calls come. ``booked`` is the moment by the store's
    clock at which the store takes it for used; on lease, when it was taken here. ``proven`` is whether a reply had come
    before it was used.
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
