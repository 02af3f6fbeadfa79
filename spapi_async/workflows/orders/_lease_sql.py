"""The statement that acquires a lease."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect

from spapi_async.workflows.orders._tables import leases

__all__ = ["take"]


def take(condition: Any, *, sqlite: bool) -> Any:
    """Create a lease, or take over the existing one if the condition holds; returns its fencing number."""
    insert = (sqlite_dialect if sqlite else postgresql).insert(leases)
    return insert.on_conflict_do_update(
        index_elements=[leases.c.seller, leases.c.stream],
        set_={
            "holder": insert.excluded.holder,
            "fencing": leases.c.fencing + 1,
            "expires_at": insert.excluded.expires_at,
        },
        where=condition,
    ).returning(leases.c.fencing)
