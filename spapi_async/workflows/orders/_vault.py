"""Storage of personal data: encrypted with the user's keys, and deleted when its retention ends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Self

import msgspec

from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders._rows import OrderRow

__all__ = ["OVER", "RETENTION", "SILENCE", "PersonalData", "PersonalKeys"]

_KEYS_VARIABLE = "SP_API_PERSONAL_KEYS"

RETENTION = timedelta(days=30)
"""Amazon's data protection policy: no longer than 30 days after delivery. An order states only its shipment."""

SILENCE = timedelta(days=90)
"""An open order counts as over after this time without an update from Amazon."""

OVER = ("SHIPPED", "CANCELLED", "UNFULFILLABLE")
"""The statuses of orders that are over."""

_LONGEST = timedelta(days=36525)

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class PersonalKeys:
    """Fernet keys (AES-128-CBC and HMAC-SHA256), newest first: the first encrypts, all decrypt.

    Raises:
        ConfigurationError: no key, or an invalid one; or the package ``cryptography`` is missing.
    """

    def __init__(self, keys: Sequence[str | Secret]) -> None:
        fernet = _fernet()
        if isinstance(keys, (str, Secret)) or not keys:
            raise ConfigurationError(f"personal data needs a list of keys; {_MAKE_ONE}")
        try:
            single = [fernet.Fernet(key.reveal() if isinstance(key, Secret) else key) for key in keys]
        except ValueError:
            raise ConfigurationError(
                f"a key for personal data must be 32 bytes in URL-safe base64; {_MAKE_ONE}"
            ) from None
        self._fernet = fernet.MultiFernet(single)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """The keys in ``SP_API_PERSONAL_KEYS``, separated by commas or spaces; None if it is not set."""
        keys = environ.get(_KEYS_VARIABLE, "").replace(",", " ").split()
        return cls(keys) if keys else None

    @staticmethod
    def new() -> Secret:
        """A new key; the personal data can be read only with this key."""
        return Secret(_fernet().Fernet.generate_key().decode())

    def encrypt(self, content: bytes) -> bytes:
        """Encrypt bytes with the first key."""
        token: bytes = self._fernet.encrypt(content)
        return token

    def decrypt(self, content: bytes) -> bytes:
        """Decrypt bytes that were encrypted with any of the keys.

        Raises:
            ConfigurationError: it was encrypted with another key.
        """
        try:
            plain: bytes = self._fernet.decrypt(content)
        except _fernet().InvalidToken:
            raise ConfigurationError(
                f"this personal data was encrypted with a key that is not in {_KEYS_VARIABLE}"
            ) from None
        return plain

    def __repr__(self) -> str:
        return "<PersonalKeys>"


class PersonalData(msgspec.Struct, frozen=True):
    """How personal data is stored, and for how long.

    Attributes:
        keys: the keys that encrypt it; None stores it unencrypted, for disks that are encrypted themselves.
        retention: the time from shipment after which it is deleted; see ``delete_at``.
    """

    keys: PersonalKeys | None
    retention: timedelta = RETENTION

    @classmethod
    def wanted(cls, how: PersonalKeys | Literal["plain"] | None, retention: timedelta) -> PersonalData:
        """The setting that was requested, with keys from the environment by default.

        Raises:
            ConfigurationError: there are no keys.
        """
        if not timedelta(0) < retention <= _LONGEST:
            raise ConfigurationError(f"retention must be more than zero and at most a century, not {retention!r}")
        keys = PersonalKeys.from_env() if how is None else how
        if keys is None:
            raise ConfigurationError(
                f"personal data is stored only encrypted, and there are no keys: {_MAKE_ONE} and put it in"
                f" {_KEYS_VARIABLE}, or give personal='plain' if the disk itself is encrypted"
            )
        return cls(None if keys == "plain" else keys, retention)

    def sealed(self, row: OrderRow) -> bytes:
        """An order's personal data in its stored form."""
        content = _ENCODER.encode(row.personal)
        return content if self.keys is None else self.keys.encrypt(content)

    def delete_at(self, row: OrderRow, read_at: datetime) -> datetime:
        """When the personal data must be deleted: after the retention, which begins at shipment.

        For an order that is over without a known shipment (cancelled, or an old one), it begins at its last update; for
        an order that is not over, ``SILENCE`` after its last update, since some never reach a final status. A date
        later than the time at which the order was read is invalid; that time is used instead.
        """
        if row.shipped_at is not None:
            return min(row.shipped_at, read_at) + self.retention
        updated = min(row.last_updated_at or row.created_at or read_at, read_at)
        return updated + self.retention + (timedelta(0) if row.status in OVER else SILENCE)

    def retention_has_begun(self, row: OrderRow) -> bool:
        """Whether the retention of the order's data has begun."""
        return row.shipped_at is not None or row.status in OVER


def opened(content: bytes, keys: PersonalKeys | None) -> dict[str, Any]:
    """Stored personal data, decrypted, by its place in the order.

    Raises:
        ConfigurationError: it is encrypted and the key is missing.
    """
    plain = content if keys is None else keys.decrypt(content)
    found: dict[str, Any] = msgspec.json.decode(plain)
    return found


_MAKE_ONE = "`spapi-async keys new` makes one"


def _fernet() -> Any:
    try:
        from cryptography import fernet
    except ModuleNotFoundError:
        raise ConfigurationError(
            'encrypting personal data needs an extra: pip install "spapi-async[encryption]"'
        ) from None
    return fernet
