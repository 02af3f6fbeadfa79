"""One request of a look-up, and what it says about each key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from spapi_async._codec.json import to_json
from spapi_async._core.caller import Caller
from spapi_async.errors import DecodeError
from spapi_async.workflows.lookups._rule import Answer, Rule

__all__ = ["Fetched", "fetch_batch", "fetch_single"]

_MOST_PAGES = 50


class Fetched(NamedTuple):
    """Values and errors by key, without the keys that the reply does not mention.

    ``is_clear``: every entry of the reply belongs to one of the keys, so that a key without an entry was not found.
    """

    found: dict[Any, Any]
    request_id: str | None
    is_clear: bool = True


async def fetch_batch(rule: Rule[Any, Any], group: Any, keys: Sequence[Any], caller: Caller, *, raw: bool) -> Fetched:
    """Request all keys at once, and the further pages of the reply."""
    arguments = rule.arguments(group, keys)
    reply = await caller.call(rule.batch, **arguments)
    found: dict[Any, Any] = {}
    wanted, is_clear, pages = frozenset(keys), True, set[str]()
    for _ in range(_MOST_PAGES):
        answers = rule.answers(group, keys, reply.body)
        if raw:
            answers = _as_received(answers, reply.raw, rule.entries)
        is_clear &= _gather(answers, found, wanted, reply.request_id, several=rule.combine is not None)
        following = rule.following(reply.body)
        if following is None or (not rule.every_page and all(key in found for key in keys)):
            break
        page = str(following)
        if page in pages:
            raise DecodeError("a page of the reply has the page token of an earlier one", operation=rule.batch.name)
        pages.add(page)
        reply = await caller.call(rule.batch, **{**arguments, **following})
    else:
        raise DecodeError(
            f"the reply for {len(keys)} keys has more than {_MOST_PAGES} pages", operation=rule.batch.name
        )
    if rule.combine is not None:
        combine = _joined if raw else rule.combine
        found = {key: combine(each) if isinstance(each, list) else each for key, each in found.items()}
    return Fetched(found, reply.request_id, is_clear)


def _gather(
    answers: Iterable[Answer], found: dict[Any, Any], wanted: frozenset[Any], request_id: str | None, *, several: bool
) -> bool:
    """Add the answers of a page; of each key the first counts, or all with ``several``.

    Returns False if an entry belongs to none of the keys: it may be the answer to a key that is not mentioned.
    """
    is_clear = True
    for key, value, error in answers:
        try:
            is_mine = key in wanted
        except TypeError:  # not hashable: an object or a list instead of text
            is_mine = False
        if not is_mine:
            is_clear = False
        elif error is not None:
            error.request_id = request_id
            found.setdefault(key, error)
        elif not several:
            found.setdefault(key, value)
        elif isinstance(others := found.setdefault(key, []), list):
            others.append(value)
    return is_clear


def _as_received(
    answers: Iterable[Answer], raw: bytes, entries: tuple[tuple[str, ...], tuple[str, ...]]
) -> list[Answer]:
    """The same answers with the bytes that Amazon sent as values."""
    answers = list(answers)
    slices = _slices(_as_utf8(raw), *entries)
    if slices is None or len(slices) != len(answers):
        return [(key, None if error else to_json(value), error) for key, value, error in answers]
    return [(key, part, error) for (key, _, error), part in zip(answers, slices, strict=True)]


async def fetch_single(rule: Rule[Any, Any], group: Any, key: Any, caller: Caller, *, raw: bool) -> Fetched:
    """Request one key by the single operation."""
    assert rule.single is not None
    assert rule.single_arguments is not None
    operation = rule.single(key)
    if operation is rule.batch:
        return await _fetch_alone(rule, group, key, caller, raw=raw)
    reply = await caller.call(operation, **rule.single_arguments(group, key))
    value = rule.single_value(reply.body)
    if value is None:
        raise DecodeError("the reply contains no item", operation=operation.name, request_id=reply.request_id)
    if raw and not isinstance(value, Exception):
        value = _slice(_as_utf8(reply.raw), rule.single_entry) or to_json(value)
    return Fetched({key: value}, reply.request_id)


async def _fetch_alone(rule: Rule[Any, Any], group: Any, key: Any, caller: Caller, *, raw: bool) -> Fetched:
    """Request one key by the batch operation with another parameter; the reply has the form of a batch."""
    assert rule.single_arguments is not None
    alone = msgspec.structs.replace(rule, arguments=lambda _, keys: rule.single_arguments(group, keys[0]))
    return await fetch_batch(alone, group, [key], caller, raw=raw)


def _as_utf8(raw: bytes) -> bytes:
    """The bytes with U+FFFD for what is not UTF-8, because they become lines and rows of files."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode(errors="replace").encode()
    return raw


def _joined(slices: list[bytes]) -> bytes:
    return slices[0] if len(slices) == 1 else b"[" + b",".join(slices) + b"]"


def _slices(raw: bytes, to_list: Sequence[str], to_value: Sequence[str]) -> list[bytes] | None:
    """The bytes of each entry as Amazon sent them; None for a body that only lenient decoding can read."""
    try:
        raw.decode()  # the decoder does not check skipped text, which also goes into files
        entries = msgspec.json.decode(_slice(raw, to_list) or b"", type=list[msgspec.Raw])
    except _UNREADABLE:
        return None
    if not to_value:
        return [bytes(entry) for entry in entries]
    return [_slice(bytes(entry), to_value) or b"null" for entry in entries]


def _slice(raw: bytes, path: Sequence[str]) -> bytes | None:
    for name in path:
        try:
            raw = bytes(_OBJECT.decode(raw)[name])
        except (KeyError, *_UNREADABLE):
            return None
    return raw


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_OBJECT: msgspec.json.Decoder[Mapping[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
