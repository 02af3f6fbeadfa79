"""Invalid order searches are refused with a reason, since an empty page would hide the mistake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from direct import CA, US, HandClock, running

NOW = datetime.fromtimestamp(HandClock().time(), UTC)
V0, V2026 = "/orders/v0/orders", "/orders/2026-01-01/orders"


def stamp(moment: datetime) -> str:
    """A time as Amazon writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("path", "name"), [(V0, "CreatedAfter"), (V0, "LastUpdatedAfter"), (V2026, "createdAfter")])
async def test_a_search_from_the_future_is_refused(path: str, name: str) -> None:
    """A time that is now, or within a clock's inaccuracy, is not in the future."""
    places = {"MarketplaceIds": US} if path == V0 else {}
    async with running(anchor=NOW, clock=HandClock(), throttle=False) as api:
        answer = await api.get(path, **{name: stamp(NOW + timedelta(seconds=1))}, **places)
        assert (answer.status, answer.error["code"]) == (400, "InvalidInput")
        assert answer.error["message"] == f"{name} is in the future."
        assert stamp(NOW) in answer.error["details"]
        for moment in (NOW, NOW - timedelta(minutes=1)):
            assert (await api.get(path, **{name: stamp(moment)}, **places)).status == 200


@pytest.mark.parametrize("path", [V0, V2026])
async def test_a_marketplace_that_does_not_exist_is_refused(path: str) -> None:
    """A country is not an id; the reply names only the wrong ones."""
    names = ("MarketplaceIds", "LastUpdatedAfter") if path == V0 else ("marketplaceIds", "lastUpdatedAfter")
    async with running() as api:
        answer = await api.get(path, **dict(zip(names, (f"{US},DE", "2026-01-01"), strict=True)))
        assert (answer.status, answer.error["code"]) == (403, "Unauthorized")
        assert "not valid for region. (DE)" in answer.error["details"]
        assert (await api.get(path, **dict(zip(names, (f"{US},{CA}", "2026-01-01"), strict=True)))).status == 200
