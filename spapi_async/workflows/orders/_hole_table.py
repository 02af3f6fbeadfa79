"""The part of the database that keeps holes: which data set Amazon refuses a seller, and which orders lack it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from spapi_async.workflows._sql import to_the_end
from spapi_async.workflows.orders._page import Hole
from spapi_async.workflows.orders._tables import order_holes

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["HoleTable"]


class HoleTable:
    """The holes of a database; pages write them."""

    def _write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        raise NotImplementedError

    async def _rows(self, query: Any) -> list[Any]:
        raise NotImplementedError

    @to_the_end
    async def holes(self, seller: str) -> list[Hole]:
        """The data sets that Amazon refuses this seller, and which orders lack them."""
        query = select(order_holes).where(order_holes.c.seller == seller).order_by(order_holes.c.dataset)
        return [Hole(**row._mapping) for row in await self._rows(query)]  # noqa: SLF001 - a public name of SQLAlchemy's

    @to_the_end
    async def refused_again(self, hole: Hole, *, now: datetime) -> None:
        """Write down that a data set was asked for and refused."""
        async with self._write() as connection:
            await connection.execute(update(order_holes).where(*_is(hole, "seller", "dataset")).values(refused_at=now))

    @to_the_end
    async def filled(self, hole: Hole) -> None:
        """Forget a hole, unless it has grown meanwhile."""
        async with self._write() as connection:
            await connection.execute(delete(order_holes).where(*_is(hole, *Hole.__struct_fields__)))


def _is(hole: Hole, *names: str) -> list[Any]:
    return [order_holes.c[name] == getattr(hole, name) for name in names]
