"""A token with its lifetime, and how it travels to a shared store."""

from __future__ import annotations

import msgspec

from spapi_async.credentials import Secret

__all__ = ["Token"]


class Token:
    """An access token or a restricted data token; times are seconds since the epoch.

    Its repr does not show the token, and it cannot be pickled.
    """

    __slots__ = ("expires_at", "issued_at", "value")

    def __init__(self, value: str | Secret, *, issued_at: float, expires_at: float) -> None:
        self.value = value if isinstance(value, Secret) else Secret(value)
        self.issued_at = issued_at
        self.expires_at = expires_at

    @property
    def lifetime(self) -> float:
        """Seconds from issue to expiry."""
        return self.expires_at - self.issued_at

    def dump(self) -> bytes:
        """The token in the form for a store, which is secret."""
        return msgspec.json.encode([self.value.reveal(), self.issued_at, self.expires_at])

    @classmethod
    def load(cls, entry: bytes) -> Token:
        """The inverse of :meth:`dump`.

        Raises:
            ValueError: it is not the entry of a token.
        """
        try:
            facts = msgspec.json.decode(entry, type=tuple[str, float, float])
        except (ValueError, RecursionError):
            raise ValueError("not a stored token") from None  # the cause could show part of the entry
        return cls(facts[0], issued_at=facts[1], expires_at=facts[2])

    def __repr__(self) -> str:
        return f"Token(***, expires_at={self.expires_at:.0f})"

    def __reduce__(self) -> str:
        raise TypeError("a Token cannot be pickled")
