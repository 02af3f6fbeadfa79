"""The script that runs inside Redis, assembled from its sections, and the names of its keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files

from spapi_async.ratelimit._book import Charge

__all__ = ["SCRIPT", "SCRIPT_SHA", "limit_keys", "parse_key"]

SECTIONS = ("1_memory", "2_limits", "3_leases", "4_feedback", "5_sale", "6_reply")

_FOLDER = files(__package__).joinpath("script")
SCRIPT = "".join(_FOLDER.joinpath(f"{section}.lua").read_text(encoding="utf-8") for section in SECTIONS)
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # the name for EVALSHA


def limit_keys(prefix: str, charges: Sequence[Charge], application: str, region: str, name: str) -> tuple[str, ...]:
    """The key of the usage plan, the key that all sellers share, then the keys of the other limits in order.

    The part in braces is the hash tag, which puts all keys into one slot of a Redis Cluster.
    """
    plan, *others = charges
    tag = f"{application}:{region}:{plan.key[0]}".replace("{", "(").replace("}", ")")
    memory = f"{prefix}:{{{tag}}}:"
    return (f"{memory}{name}", memory, *(f"{memory}{'' if each.shared else name}|{_suffix(each)}" for each in others))


def _suffix(charge: Charge) -> str:
    return "application" if charge.kind == "application" else "#".join(charge.key[-2:])


def parse_key(key: str) -> tuple[str, str, str, str, str] | None:
    """Application, region, operation, seller (empty: all) and limit (empty: the plan) of a key; None for other keys."""
    _, opened, rest = key.partition(":{")
    tag, closed, rest = rest.partition("}:")
    parts = tag.rsplit(":", 2)
    if not opened or not closed or len(parts) != 3:
        return None
    seller, _, limit = rest.partition("|")
    return parts[0], parts[1], parts[2], seller, limit
