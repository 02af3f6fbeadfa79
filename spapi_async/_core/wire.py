"""What the generated models are made of: an open struct, open enums, aware datetimes, exact numbers."""

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
"""A datetime with a zone. Amazon sometimes leaves the zone out; that is a violation, read as UTC."""

Number = Annotated[Decimal, msgspec.Meta(description="JSON number")]
"""A Decimal that Amazon writes as a JSON number; a plain Decimal is one that Amazon writes as a string."""


class Model(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A JSON object of Amazon's: snake_case attributes, Amazon's names on the wire.

    Optional fields default to None and are left out when encoded. Keys that the model does not know are ignored here;
    they stay in ``Response.raw``. The collector of garbage leaves models alone, which makes pages a tenth to a quarter
    cheaper and a million items in memory no burden: JSON has no cycles, and who ties one through a model keeps it.
    """


class PersonalModel(Model, kw_only=True, omit_defaults=True):
    """A JSON object with personal data, or with a key to it, whose values its repr does not show.

    ``Address(<personal data: name, city>)`` names the fields that are set. Where ``__personal__`` lists fields, these
    alone are hidden: ``ReportDocument(report_document_id='1', url=<hidden>)``. Everything else (encoding, equality,
    pickling, attributes) is that of a ``Model``.
    """

    __personal__: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = (repr(value) if name is None else f"{name}={value!r}" for name, value in self._shown())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> Iterator[Any]:  # type: ignore[override] # rich takes values without a name too
        for name, value in self._shown():
            yield value if name is None else (name, value)

    def _shown(self) -> Iterator[tuple[str | None, Any]]:
        """What a repr may show: names (None for a remark without one) and values."""
        fields, personal = self.__struct_fields__, self.__personal__
        if personal:
            for name in fields:
                value = getattr(self, name)
                yield name, _Hidden("hidden") if name in personal and value is not None else value
        elif present := [name for name in fields if getattr(self, name) is not None]:
            yield None, _Hidden(f"personal data: {', '.join(present)}")


class _Hidden:
    """Stands for a value in a repr."""

    __slots__ = ("_remark",)

    def __init__(self, remark: str) -> None:
        self._remark = remark

    def __repr__(self) -> str:
        return f"<{self._remark}>"


class KeptObject(dict[str, Any]):
    """A JSON object that Amazon sent where the model has something else; what it holds may be personal data.

    A dict in everything but its repr.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<object that does not fit the model: {len(self)} keys>"


class KeptList(list[Any]):
    """A JSON list that Amazon sent where the model has something else; a list in everything but its repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<list that does not fit the model: {len(self)} items>"


class KeptNumber(Decimal):
    """A JSON number beyond what a float can hold, kept exactly; a Decimal in everything but its form on the wire."""

    __slots__ = ()


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


class KeptText(OpenEnum):
    """A string that Amazon sent where the model has an object or a list; a string in everything but its repr.

    An open enum, because a plain subclass of str could not be encoded again.
    """

    EMPTY = ""  # never kept; an enum without members would make another enum when called

    def __repr__(self) -> str:
        return f"<text that does not fit the model: {len(self)} characters>"


def kept(value: Any, *, text: bool) -> Any:
    """A plain JSON value that does not fit the model, in a form whose repr does not show it.

    Text is hidden where ``text`` says so: in the place of a structure, for an address may come as one line.
    """
    if isinstance(value, dict):
        return KeptObject(value)
    if isinstance(value, list):
        return KeptList(value)
    return KeptText(value) if text and isinstance(value, str) else value
