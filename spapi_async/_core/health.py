"""How the last use of each part of an application went."""

from __future__ import annotations

import msgspec

__all__ = ["Health", "Part"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part.

    Attributes:
        ok: whether its last use succeeded; None if it has not been used yet.
        at: the time of that use in seconds since the epoch; None if unknown or not applicable.
        detail: the status or the error, without secrets.
    """

    ok: bool | None
    at: float | None = None
    detail: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an application.

    Attributes:
        limiter: the rate limiter, or the store that it shares quota through.
        token_store: the store through which tokens are shared; unused if there is none.
        lwa: Login with Amazon.
        amazon: the Selling Partner API, by region (``na``, ``eu``, ``fe``), for regions that were used.
        closed: whether the application refuses calls.
    """

    limiter: Part
    token_store: Part
    lwa: Part
    amazon: dict[str, Part]
    closed: bool = False

    @property
    def ok(self) -> bool:
        """Whether no part failed when it was last used, and the application accepts calls."""
        parts = (self.limiter, self.token_store, self.lwa, *self.amazon.values())
        return not self.closed and all(part.ok is not False for part in parts)
