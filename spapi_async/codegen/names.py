"""Turns Amazon's names into Python's: snake case that keeps acronyms whole, classes, enum members, modules."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Container, Iterable

__all__ = [
    "class_name",
    "constant",
    "distinct",
    "field_name",
    "has_version",
    "lower_words",
    "member_name",
    "method_names",
    "module_name",
    "singular",
    "snake",
    "words",
]

# In this order: plural acronyms (SKUs), B2B, acronym before a word (ASINList), words with their digits, acronyms.
_WORDS = re.compile(
    r"[A-Z]{2,}s(?![a-z])|(?:[A-Z]+\d+)+[A-Z]+(?![a-z])|[A-Z0-9]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+"
)

# Files whose names differ from the name of the API in Amazon's documentation.
_RENAMED_FILES = {
    "application": "application_management",
    "definitions_product_types": "product_type_definitions",
    "delivery_shipment_invoice": "delivery_by_amazon",
    "fba_inbound": "fba_inbound_eligibility",
    "invoices_api_model": "invoices",
}

# Types used in annotations of struct fields and signatures: an attribute of this name would shadow them.
_TYPE_WORDS = frozenset({"bool", "dict", "dt", "float", "int", "list", "msgspec", "str"})
_RESERVED_CLASSES = frozenset(
    {"Any", "Decimal", "Mapping", "Model", "Number", "OpenEnum", "PersonalModel", "Sequence", "Timestamp"}
) | {name for name in dir(builtins) if name[0].isupper()}


def words(name: str) -> list[str]:
    """``SellerSKUs`` is Seller, SKUs; separators are dropped."""
    return _WORDS.findall(name)


def lower_words(name: str) -> list[str]:
    """``SellerSKUs`` is seller, skus."""
    return [word.lower() for word in words(name)]


def snake(name: str) -> str:
    """``SellerSKUs`` is ``seller_skus``, ``carrierTracking.trackingNumber`` is ``carrier_tracking_tracking_number``."""
    return "_".join(words(name)).lower()


def field_name(name: str, taken: Container[str] = ()) -> str:
    """A valid attribute or argument name that shadows no type and is not taken."""
    result = snake(name) or "value"
    if result[0].isdigit():
        result = f"value_{result}"
    if keyword.iskeyword(result) or result in _TYPE_WORDS:
        result += "_"
    return distinct(result, taken)


def class_name(name: str) -> str:
    """A valid class name that shadows no builtin: ``buyerInfo`` is ``BuyerInfo``, ``Warning`` is ``WarningModel``."""
    pieces = [piece for piece in re.split(r"[^A-Za-z0-9]+", name) if piece]
    result = "".join(piece[0].upper() + piece[1:] for piece in pieces) or "Value"
    if result[0].isdigit():
        result = f"Value{result}"
    return f"{result}Model" if result in _RESERVED_CLASSES or keyword.iskeyword(result) else result


def member_name(value: str, taken: Container[str] = ()) -> str:
    """``SellerFulfilled`` is ``SELLER_FULFILLED``, ``4x6`` is ``VALUE_4X6``, an empty string is ``EMPTY``."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    result = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")
    if not result.isupper():
        result = "_".join(snake(piece) for piece in result.split("_")).upper()
    if not result:
        result = "VALUE" if value else "EMPTY"
    if result[0].isdigit():
        result = f"VALUE_{result}"
    return distinct(result, taken)


def constant(method: str) -> str:
    """The name of a method's ``Operation``."""
    return method.upper()


def singular(name: str) -> str:
    """``orderStatuses`` is ``orderStatus``; good enough for the names of enums of list items."""
    for plural, single in (("ies", "y"), ("sses", "ss"), ("uses", "us"), ("ss", "ss"), ("us", "us"), ("s", "")):
        if name.endswith(plural):
            return name.removesuffix(plural) + single
    return name


def distinct(name: str, taken: Container[str]) -> str:
    """The name, numbered if it is taken."""
    number, result = 1, name
    while result in taken:
        number += 1
        result = f"{name}_{number}" if not name[0].isupper() or name.isupper() else f"{name}{number}"
    return result


def module_name(stem: str, version: str) -> str:
    """``ordersV0`` is ``orders_v0``; if the file's name has no version, the model's is added: ``sellers_v1``.

    A name that begins with a digit, or has no letter at all, becomes an identifier: ``1-2 3`` is ``api_1_2_3_v0``.
    """
    base, found = _split_version(stem)
    name = _RENAMED_FILES.get(base, base) + (found or f"_{snake(version)}")
    return name if name[0].isalpha() else f"api_{name.lstrip('_')}"


def has_version(stem: str) -> bool:
    """Whether the name of a file ends with a version."""
    return bool(_split_version(stem)[1])


def _split_version(stem: str) -> tuple[str, str]:
    name = snake(re.sub(r"[Vv](?=\d{4}-)", "_", stem))
    match = re.search(r"(?:^|_)(\d{4}_\d\d_\d\d|v\d+)$", name)
    return (name[: match.start()], f"_{match[1]}") if match else (name, "")


def method_names(operations: Iterable[tuple[str, str]]) -> list[str]:
    """A method name for each pair of operation id and verb.

    Two operations may have the same id (Shipping v2 linkCarrierAccount): POST, or else the first, keeps the name, and
    the verb is appended to the other's.
    """
    pairs = [(field_name(operation_id), verb) for operation_id, verb in operations]
    verbs: dict[str, list[str]] = {}
    for name, verb in pairs:
        verbs.setdefault(name, []).append(verb)
    keepers = {name: "POST" if "POST" in same else same[0] for name, same in verbs.items()}
    return [name if keepers[name] == verb else f"{name}_{verb.lower()}" for name, verb in pairs]
