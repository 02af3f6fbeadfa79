"""The base types of the generated models: an open struct, open enums, aware datetimes, exact numbers."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import msgspec

__all__ = [
    "KeptList",
    "KeptNumber",
    "KeptObject",
    "KeptText",
    "Model",
    "Number",
    "OpenEnum",
    "PersonalModel",
    "Timestamp",
    "kept",
]

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
"""A datetime with a time zone. If Amazon leaves the zone out, that is a violation, and the time is read as UTC."""

Number = Annotated[Decimal, msgspec.Meta(description="JSON number")]
"""A Decimal that Amazon writes as a JSON number; a plain Decimal is one that Amazon writes as a string."""


class Model(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A JSON object of Amazon's: snake_case attributes, Amazon's names on the wire.

    Optional fields default to None and are left out when encoded. Keys that the model does not know are ignored; they
    remain in ``Response.raw``. The garbage collector does not track models, which makes pages a tenth to a quarter
    cheaper, and a million items in memory do not slow it down. JSON has no cycles; a reference cycle that a program
    makes through a model is never freed.
    """


class PersonalModel(Model, kw_only=True, omit_defaults=True):
    """A JSON object that contains personal data, or a key to such data; its repr does not show the values.

    ``Address(<personal data: name, city>)`` names the fields that are set. If ``__personal__`` lists fields, only
    these are hidden: ``ReportDocument(report_document_id='1', url=<hidden>)``. In all other respects (encoding,
    equality, pickling, attributes) it is a ``Model``.
    """

    __personal__: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = (repr(value) if name is None else f"{name}={value!r}" for name, value in self._shown())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> Iterator[Any]:  # type: ignore[override] # rich takes values without a name too
        for name, value in self._shown():
            yield value if name is None else (name, value)

    def _shown(self) -> Iterator[tuple[str | None, Any]]:
        """The parts that a repr may show: names (None for a remark without a name) and values."""
        fields, personal = self.__struct_fields__, self.__personal__
        if personal:
            for name in fields:
                value = getattr(self, name)
                yield name, _Hidden("hidden") if name in personal and value is not None else value
        elif present := [name for name in fields if getattr(self, name) is not None]:
            yield None, _Hidden(f"personal data: {', '.join(present)}")


class _Hidden:
    """Takes the place of a value in a repr."""

    __slots__ = ("_remark",)

    def __init__(self, remark: str) -> None:
        self._remark = remark

    def __repr__(self) -> str:
        return f"<{self._remark}>"


class KeptObject(dict[str, Any]):
    """A JSON object where the model has another type; its content may be personal data.

    It is a dict that differs only in its repr.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<object that does not fit the model: {len(self)} keys>"


class KeptList(list[Any]):
    """A JSON list where the model has another type; it is a list that differs only in its repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<list that does not fit the model: {len(self)} items>"


class KeptNumber(Decimal):
    """A JSON number too large for a float, kept exactly; a Decimal that is encoded as a number."""

    __slots__ = ()


class OpenEnum(enum.StrEnum):
    """An enum of the known values; any other string becomes a new member with that value.

    Amazon adds values without notice, and a new value must not make a page unreadable. Such a member is made each time
    and not registered, so that hostile input does not use up memory; it equals its string and has the same hash.
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


class KeptText(OpenEnum):
    """A string where the model has an object or a list; it is a string that differs only in its repr.

    It is an open enum, because a plain subclass of str could not be encoded again.
    """

    EMPTY = ""  # never kept; an enum without members would make another enum when called

    def __repr__(self) -> str:
        return f"<text that does not fit the model: {len(self)} characters>"


def kept(value: Any, *, text: bool) -> Any:
    """A plain JSON value that does not fit the model, in a type whose repr does not show it.

    With ``text``, a string is hidden, too: in place of a structure, since an address may be sent as a single line.
    """
    if isinstance(value, dict):
        return KeptObject(value)
    if isinstance(value, list):
        return KeptList(value)
    return KeptText(value) if text and isinstance(value, str) else value
