"""Builds JSON_LISTINGS_FEEDs: checks messages as they are added, and divides them into feeds of legal size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from spapi_async._codec import json
from spapi_async.errors import ConfigurationError

__all__ = ["ListingsFeed", "Message", "Piece", "Requirements"]

Requirements = Literal["LISTING", "LISTING_PRODUCT_ONLY", "LISTING_OFFER_ONLY"]

_PATCH_OPERATIONS = ("add", "replace", "merge", "delete")
_LONGEST_SKU = 40  # characters
MOST_MESSAGES = 25_000  # of one feed (Listings feed schema v2)
MOST_BYTES = 10 * 1024 * 1024  # Amazon advises feeds below 10 MiB
_VERSION = "2.0"


class Message(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One change of one listing."""

    message_id: int
    sku: str
    operation_type: str
    product_type: str | None = None
    requirements: str | None = None
    attributes: Mapping[str, Any] | None = None
    patches: Sequence[Mapping[str, Any]] | None = None


class Piece(msgspec.Struct, frozen=True):
    """One of the feeds into which the messages are divided: its bytes and its messages."""

    content: bytes
    messages: tuple[Message, ...]


class ListingsFeed:
    """Changes to listings, collected here and sent by ``seller.feeds.submit_listings``.

    Each method adds one message and returns its id. A message that Amazon would refuse is refused when it is added.

    Args:
        issue_locale: the language of issues, such as ``en_US``; by default the marketplace's.
    """

    def __init__(self, *, issue_locale: str | None = None) -> None:
        self._issue_locale = issue_locale
        self._messages: list[Message] = []
        self._texts: list[bytes] = []  # as they were when they were added: their attributes are the caller's objects

    def put(
        self,
        sku: str,
        product_type: str,
        attributes: Mapping[str, Any],
        *,
        requirements: Requirements | None = None,
    ) -> int:
        """Create a listing, or replace all of it (UPDATE).

        ``attributes`` follow the schema of the product type; ``requirements`` says which part of the schema is
        required, by default all of it.

        Raises:
            ConfigurationError: an argument is missing, or has a value that Amazon does not accept.
        """
        if requirements is not None and requirements not in get_args(Requirements):
            raise ConfigurationError(
                f"requirements must be one of {', '.join(get_args(Requirements))}, not {requirements!r}"
            )
        return self._add(
            sku, "UPDATE", product_type, attributes=_attributes(sku, attributes), requirements=requirements
        )

    def update(self, sku: str, product_type: str, attributes: Mapping[str, Any]) -> int:
        """Replace these attributes and keep the others (PARTIAL_UPDATE).

        Raises:
            ConfigurationError: as :meth:`put`.
        """
        return self._add(sku, "PARTIAL_UPDATE", product_type, attributes=_attributes(sku, attributes))

    def patch(self, sku: str, product_type: str, patches: Sequence[Mapping[str, Any]]) -> int:
        """Change parts of a listing by ``{"op": …, "path": "/attributes/…", "value": […]}`` (PATCH).

        Raises:
            ConfigurationError: there are no patches, or one that Amazon does not accept.
        """
        if isinstance(patches, (str, bytes, Mapping)) or not patches:
            raise ConfigurationError(f"{sku}: patches must be a list of at least one")
        for patch in patches:
            _check_patch(sku, patch)
        return self._add(sku, "PATCH", product_type, patches=tuple(dict(patch) for patch in patches))

    def delete(self, sku: str) -> int:
        """Remove a listing (DELETE).

        Raises:
            ConfigurationError: the SKU is empty or too long.
        """
        return self._add(sku, "DELETE", None)

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(tuple(self._messages))

    def __repr__(self) -> str:
        return f"<ListingsFeed of {len(self)} messages>"

    def pieces(self, seller_id: str) -> list[Piece]:
        """The feeds to submit, within Amazon's limits of 25,000 messages and 10 MiB; equal messages make equal bytes.

        Raises:
            ConfigurationError: there are no messages, or one alone is too large.
        """
        if not self._messages:
            raise ConfigurationError("the listings feed has no messages")
        header: dict[str, Any] = {"sellerId": seller_id, "version": _VERSION}
        if self._issue_locale is not None:
            header["issueLocale"] = self._issue_locale
        frame = b'{"header":' + json.encode(header) + b',"messages":['
        pieces: list[Piece] = []
        kept: list[Message] = []
        parts: list[bytes] = []
        size = len(frame) + 2
        for message, text in zip(self._messages, self._texts, strict=True):
            if len(frame) + len(text) + 2 > MOST_BYTES:
                raise ConfigurationError(
                    f"{message.sku}: its message has {len(text):,} bytes, more than a feed of {MOST_BYTES:,} "
                    "bytes can hold"
                )
            if kept and (len(kept) == MOST_MESSAGES or size + len(text) > MOST_BYTES):
                pieces.append(Piece(frame + b",".join(parts) + b"]}", tuple(kept)))
                kept, parts, size = [], [], len(frame) + 2
            kept.append(message)
            parts.append(text)
            size += len(text) + 1
        pieces.append(Piece(frame + b",".join(parts) + b"]}", tuple(kept)))
        return pieces

    def _add(self, sku: str, operation: str, product_type: str | None, **parts: Any) -> int:
        if not isinstance(sku, str) or not sku.strip() or len(sku) > _LONGEST_SKU:
            raise ConfigurationError(f"a SKU has 1 to {_LONGEST_SKU} characters, not {sku!r}")
        if operation != "DELETE" and (not isinstance(product_type, str) or not product_type.strip()):
            raise ConfigurationError(f"{sku}: product_type is missing; PRODUCT is enough for prices and stock")
        number = len(self._messages) + 1
        message = Message(number, sku, operation, product_type, **parts)
        try:
            text = json.encode(message, decimals="number")
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{sku!r}: the message cannot be written as JSON: {error}") from None
        self._messages.append(message)
        self._texts.append(text)
        return number


def _attributes(sku: str, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(attributes, Mapping) or not attributes:
        raise ConfigurationError(f"{sku}: attributes must be a mapping of at least one attribute")
    for name, value in attributes.items():
        if not isinstance(name, str) or isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            raise ConfigurationError(
                f"{sku}: attribute {name!r} must be a list of objects, as in the schema of the product type"
            )
    return dict(attributes)


def _check_patch(sku: str, patch: Mapping[str, Any]) -> None:
    if not isinstance(patch, Mapping) or patch.get("op") not in _PATCH_OPERATIONS:
        raise ConfigurationError(
            f"{sku}: the op of a patch must be one of {', '.join(_PATCH_OPERATIONS)}, not {patch!r}"
        )
    path = patch.get("path")
    if not isinstance(path, str) or not path.startswith("/attributes/"):
        raise ConfigurationError(f"{sku}: the path of a patch must begin with /attributes/, but it is {path!r}")
    if patch["op"] != "delete" and not isinstance(patch.get("value"), Sequence):
        raise ConfigurationError(f"{sku}: the value of a patch must be a list, unless its op is delete")
    unknown = sorted(set(patch) - {"op", "path", "value"})
    if unknown:
        raise ConfigurationError(f"{sku}: a patch has only op, path and value, not {', '.join(unknown)}")
