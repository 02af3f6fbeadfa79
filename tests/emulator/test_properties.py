"""Properties of the emulator's own parts, over many inputs."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from spapi_async.api import operations
from spapi_async.api.orders_v0 import GET_ORDER
from spapi_async.emulator.gateway.buckets import Plans
from spapi_async.emulator.gateway.pages import next_token, read_token
from spapi_async.emulator.gateway.routes import Routes
from spapi_async.emulator.gateway.times import parse_date

ROUTES = Routes(operations().values())
hostile = st.text(st.sampled_from("/%+&,;=#? !'()*.~é漢\\a1"), min_size=1, max_size=12)


@given(sku=hostile)
def test_any_sku_survives_the_path(sku: str) -> None:
    """A value percent-encoded byte by byte leaves the router unchanged, slashes and percents included."""
    found = ROUTES.find("GET", f"/listings/2021-08-01/items/A1/{quote(sku, safe='')}")
    assert found is not None
    assert found[0].name == "listings_items_2021_08_01.get_listings_item"
    assert found[1] == {"sellerId": "A1", "sku": sku}


def test_every_path_template_is_found() -> None:
    """Each operation's path leads to it alone; literal segments take precedence over parameters."""
    for operation in operations().values():
        path = "/".join("x" if part.startswith("{") else part for part in operation.path.split("/"))
        found = ROUTES.find(operation.method, path)
        assert found is not None, operation
        assert found[0] is operation


def test_a_greedy_tail_keeps_its_slashes() -> None:
    """The one greedy parameter takes the rest of the path."""
    greedy = next(o for o in operations().values() if any(p.encoding == "greedy" for p in o.parameters))
    path = greedy.path.partition("{")[0] + "a/b%2Fc"
    found = ROUTES.find(greedy.method, path)
    assert found is not None
    assert list(found[1].values()) == ["a/b/c"]


@given(gaps=st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_no_window_admits_more_than_the_plan(gaps: list[float]) -> None:
    """Between any two moments no more requests pass than the burst and the refill since."""
    now = 0.0
    plans = Plans(lambda: now)
    passed = []
    for gap in gaps:
        now += gap
        if plans.admit(GET_ORDER, "app", "seller") is None:
            passed.append(now)
    plan = GET_ORDER.usage_plan
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= plan.burst + (passed[last] - start) * plan.rate + 1e-3


@given(position=st.integers(0, 10**9), issued_at=st.floats(0, 2e9), query=st.dictionaries(st.text(), st.text()))
def test_paging_tokens_hold_special_characters_and_their_position(
    position: int, issued_at: float, query: dict[str, str]
) -> None:
    """Every token contains ``+``, ``/`` and ``=`` and gives its position back."""
    token = next_token(query, issued_at, position)
    assert set("+/=") <= set(token)
    assert read_token(token, query, issued_at) == position


def test_dates_of_all_forms_are_read() -> None:
    """They may have no time, no seconds, no zone, a fraction of any length, or an offset."""
    midnight = 1767225600.0
    assert parse_date("2026-01-01") == midnight
    assert parse_date("2026-01-01T00:00Z") == parse_date("2026-01-01T00:00:00") == midnight
    assert parse_date("2026-01-01T00:00:00.123456789Z") == midnight + 0.123456
    assert parse_date("2026-01-01T02:00:00+02:00") == midnight
    assert parse_date("2026-13-01") is parse_date("soon") is None
