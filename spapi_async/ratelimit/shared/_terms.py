"""Which limits one kind of a seller's calls pays from, as a store is told of them. Pure."""

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
        value: of the argument that may have a limit of its own; ``""`` where there is none.
        kind: tells calls with limits of their own from the seller's others, ``""``; the same in every process.
        keys: where the store keeps them: the plan, what all sellers share, the other limits.
        former: where the plan was kept before the seller id was known; empty where it is not.
        specs: the limits, the usage plan first.
        places: the place, from 1, of each limit that Amazon's 429 has a name for.
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
    """What such calls pay from. A value that may have a limit of its own brings one that exists once it was learned."""
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
