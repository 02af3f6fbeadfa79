"""The limits that one kind of a seller's calls uses, in the form for a store. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from spapi_async._core.operation import Operation
from spapi_async.credentials import Account
from spapi_async.ratelimit._book import PlanBook, Selection
from spapi_async.ratelimit.shared._store import LimitSpec, Store, spec_of

__all__ = ["Terms", "terms_of"]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a kind of calls.

    Attributes:
        value: the value of the argument that may have its own limit; ``""`` if there is none.
        kind: identifies calls with their own limits; ``""`` for the seller's other calls; the same in every process.
        keys: the store's keys of the plan, of the limit that all sellers share, and of the other limits.
        former: the key of the plan before the seller id was known; empty if there is none.
        specs: the limits, the usage plan first.
        places: the position, from 1, of each limit that Amazon's 429 can name.
    """

    value: str
    kind: str
    keys: tuple[str, ...]
    former: tuple[str, ...]
    specs: tuple[LimitSpec, ...]
    places: dict[str, int]


def terms_of(
    operation: Operation[Any], account: Account, selection: Selection, *, book: PlanBook, store: Store
) -> Terms:
    """The limits of such calls. A value that may have its own limit adds a limit that exists once it was learned."""
    charges = book.charges(operation, account, selection)
    specs = [spec_of(charge) for charge in charges]
    if selection.value:
        learned = book.value_charge(operation, account, selection.value)
        charges, specs = (*charges, learned), [*specs, spec_of(learned, optional=True)]
    kind = ""
    if selection.rules or selection.value:
        facts = repr([charge.key[2:] for charge in charges[1:]])
        kind = hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()
    application, region = account.application, account.region.value
    former: tuple[str, ...] = ()
    if account.name != account.key:
        former = store.keys(charges[:1], application, region, account.key)[:1]
    return Terms(
        value=selection.value,
        kind=kind,
        keys=store.keys(charges, application, region, account.name),
        former=former,
        specs=tuple(specs),
        places={charge.level: place for place, charge in enumerate(charges, 1) if charge.level},
    )
