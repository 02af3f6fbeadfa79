"""What the generated models are made of: an open struct, open enums, aware datetimes, exact numbers."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

__all__ = ["Model", "Number", "OpenEnum", "Timestamp"]

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""A datetime with a zone. Amazon sometimes leaves the zone out; that is a violation, read as UTC."""

Number = Annotated[Decimal, msgspec.Meta(description="JSON number")]
"""A Decimal that Amazon writes as a JSON number; a plain Decimal is one that Amazon writes as a string."""


class Model(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A JSON object of Amazon's: snake_case attributes, Amazon's names on the wire.

    Optional fields default to None and are left out when encoded. Keys that the model does not know are ignored here;
    they stay in ``Response.raw``.
    """


class OpenEnum(enum.StrEnum):
    """Known values as members; any other string becomes a member of its own that carries it.

    Amazon adds values without notice, and one of them must not cost a page. Such a member is made afresh each time and
    registered nowhere, so that hostile input costs no memory; it equals, and hashes as, its string.
    """

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = "UNKNOWN"
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Whether the model lists this value."""
        return self._value_ in type(self)._value2member_map_

    __hash__ = str.__hash__
