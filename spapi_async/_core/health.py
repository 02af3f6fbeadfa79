"""How an application's parts fared the last time they were used."""

from __future__ import annotations

import msgspec

__all__ = ["Health", "Part"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part.

    Attributes:
        ok: whether it worked the last time; None: it has not been used yet.
        at: when that was, in seconds since the epoch; None where nothing is known or no time belongs to it.
        detail: what it said, without secrets.
    """

    ok: bool | None
    at: float | None = None
    detail: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an application.

    Attributes:
        limiter: the rate limiter, or the store that it shares quota through.
        token_store: where tokens are shared; not used without one.
        lwa: Login with Amazon.
        amazon: the Selling Partner API, by region (``na``, ``eu``, ``fe``), as far as it was used.
        closed: whether the application refuses calls.
    """

    limiter: Part
    token_store: Part
    lwa: Part
    amazon: dict[str, Part]
    closed: bool = False

    @property
    def ok(self) -> bool:
        """Whether no part failed the last time it was used, and calls are taken."""
        parts = (self.limiter, self.token_store, self.lwa, *self.amazon.values())
        return not self.closed and all(part.ok is not False for part in parts)
