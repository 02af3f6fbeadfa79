"""Our client with up to ten thousand sellers in one application; the name of a case contains their number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

from bodies import order_id

from spapi_async import Application, Region
from subjects import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from subjects.ours import DISTRIBUTIONS, give_room

__all__ = ["DISTRIBUTIONS", "connect"]


class _Cases(dict[str, Callable[[int], Awaitable[int]]]):
    """Makes the call of a case, such as ``"getOrder of 100 sellers"``, when it is first used."""

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app

    def __missing__(self, case: str) -> Callable[[int], Awaitable[int]]:
        count = int(case.split()[2])
        region = Region.NA
        sellers = [self._app.selling_partner(f"{REFRESH_TOKEN}{number}", region=region) for number in range(count)]

        async def get_order(number: int) -> int:
            seller = sellers[number % count]
            return len((await seller.orders_v0.get_order(order_id(number))).amazon_order_id) // 19

        self[case] = get_order
        return get_order


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[SimpleNamespace]:
    """One application; the sellers are made with the cases."""
    give_room()
    async with Application(CLIENT_ID, CLIENT_SECRET, endpoint=url, observers=(lambda _event: None,)) as app:
        yield SimpleNamespace(calls=_Cases(app), batch=None)
