"""Metrics for Prometheus, as a scrape shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from spapi_async import (
    Application,
    CallFinished,
    DocumentFinished,
    RateChanged,
    RequestFinished,
    Throttled,
    TokenIssued,
    ViolationsFound,
    Waited,
)
from spapi_async.emulator import Emulator
from spapi_async.fleet import FleetLag
from spapi_async.observe import opentelemetry, prometheus
from spapi_async.workflows.orders import OrdersFresh, OrdersReconciled, SellerFailed, SellerFinished, sync_orders

ORDERS = "orders_2026_01_01.search_orders"


def sample(metrics: prometheus.Metrics, name: str, **labels: str) -> float | None:
    """One value of a scrape."""
    return metrics.registry.get_sample_value(name, labels)


async def test_a_scrape_shows_calls_quota_and_a_sync(tmp_path: Path) -> None:
    """It has requests by status, tokens issued, levels of buckets, orders read, and the lag."""
    metrics = prometheus.Metrics(CollectorRegistry())
    async with (
        Emulator(orders=30) as emulator,
        Application("app", "secret", endpoint=emulator.url, observers=[metrics]) as app,
    ):
        metrics.watch(app)
        seller = app.selling_partner("Atzr|one", region="NA")
        since = datetime.now(UTC) - timedelta(days=90)
        await sync_orders([seller], f"sqlite:///{tmp_path / 'o.db'}", since=since, progress=metrics.progress)
        assert sample(metrics, "spapi_request_duration_seconds_count", operation=ORDERS, status="200") == 1
        assert sample(metrics, "spapi_call_duration_seconds_count", operation=ORDERS, error="") == 1
        assert sample(metrics, "spapi_tokens_issued_total", kind="lwa") == 1
        tokens = sample(metrics, "spapi_quota_tokens", operation=ORDERS)
        assert tokens is not None
        assert 18 <= tokens < 20
        assert sample(metrics, "spapi_quota_rate", operation=ORDERS) == pytest.approx(0.0056)
        assert sample(metrics, "spapi_sync_orders_total") == 30
        lag = sample(metrics, "spapi_sync_lag_seconds")
        assert lag is not None
        assert 60 < lag < 300  # searches are two minutes behind


def test_every_event_is_counted() -> None:
    """Each kind has the metrics that the table names; unknown newer events are ignored."""
    metrics = prometheus.Metrics(CollectorRegistry())
    call = {"operation": "orders_v0.get_order", "account": "one@na"}
    metrics(Waited(seconds=3.0, **call))
    metrics(Throttled(rate=0.5, waiting=2, **call))
    metrics(RateChanged(old=0.5, new=0.4, reason="throttled", **call))
    metrics(ViolationsFound(paths=("$.a", "$.b"), **call))
    metrics(TokenIssued(kind="rdt", lifetime=60.0, **call))
    metrics(DocumentFinished(size=700, requests=1, seconds=0.1, complete=False, error="DocumentTruncatedError", **call))
    metrics.progress(SellerFailed(seller="one@na", total=0, error="x"))
    until = datetime.now(UTC) - timedelta(hours=3)
    metrics.progress(OrdersReconciled(seller="one@na", hours=2, reconciled_to=until, found=4))
    metrics.progress(OrdersReconciled(seller="two@na", hours=2, reconciled_to=until + timedelta(hours=1), found=0))
    metrics.progress(OrdersFresh(seller="one@na", source="search", seconds=(3.0, 4.0)))
    operation = call["operation"]
    assert sample(metrics, "spapi_quota_wait_seconds_sum", operation=operation) == 3
    assert sample(metrics, "spapi_throttled_total", operation=operation) == 1
    assert sample(metrics, "spapi_rate_changes_total", operation=operation, reason="throttled") == 1
    assert sample(metrics, "spapi_violations_total", operation=operation) == 2
    assert sample(metrics, "spapi_tokens_issued_total", kind="rdt") == 1
    assert sample(metrics, "spapi_document_bytes_total", operation=operation) == 700
    outcome = {"operation": operation, "outcome": "DocumentTruncatedError"}
    assert sample(metrics, "spapi_documents_total", **outcome) == 1
    assert sample(metrics, "spapi_sync_failures_total") == 1
    assert sample(metrics, "spapi_sync_freshness_seconds_sum", source="search") == 7
    assert sample(metrics, "spapi_sync_found_late_total", after="2h") == 4
    lag = sample(metrics, "spapi_sync_reconciled_lag_seconds", after="2h")
    assert lag == pytest.approx(3 * 3600, abs=600)
    assert sample(metrics, "spapi_sync_lag_seconds") == 0  # no window was read completely
    metrics.progress(object())


def test_a_worker_of_a_fleet_shows_the_lag_of_the_fleet() -> None:
    """What it did itself does not count: others have had the seller since, or have never reached it."""
    metrics = prometheus.Metrics(CollectorRegistry())
    now = datetime.now(UTC)
    old = [
        SellerFinished(seller="one@na", total=0, synced_to=now - timedelta(days=3)),
        OrdersReconciled(seller="one@na", hours=2, reconciled_to=now - timedelta(days=3), found=1),
        OrdersReconciled(seller="one@na", hours=48, reconciled_to=now - timedelta(days=3), found=1),
    ]
    numbers = {"sellers": 5, "due": 4, "queued": 3, "new": 2, "revoked": 1}
    for event in (*old, FleetLag(seller="two@na", lag=700.0, reconciled={"2h": 9000.0}, **numbers), *old):
        metrics.progress(event)
    assert sample(metrics, "spapi_sync_lag_seconds") == pytest.approx(700, abs=300)
    assert sample(metrics, "spapi_sync_reconciled_lag_seconds", after="2h") == pytest.approx(9000, abs=300)
    assert sample(metrics, "spapi_sync_reconciled_lag_seconds", after="48h") is None
    assert sample(metrics, "spapi_sync_found_late_total", after="2h") == 2
    states = ("all", "due", "queued", "new", "revoked")
    assert [sample(metrics, "spapi_fleet_sellers", state=state) for state in states] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("whose", [{}, {"account": "one@na"}])
def test_exchanges_and_calls_are_counted_by_outcome(whose: dict[str, str]) -> None:
    """A second one of the same kind increases the same counter, and no other."""
    metrics = prometheus.Metrics(CollectorRegistry(), accounts=bool(whose))
    operation = "orders_v0.get_order"
    for account in ("one@na", "two@na") if whose else ("one@na",):
        for status in (200, 200, None, 503):
            metrics(RequestFinished(operation=operation, account=account, status=status, seconds=0.5, attempt=1))
        for error in (None, None, None, "ServerError"):
            metrics(CallFinished(operation=operation, account=account, seconds=2.0, attempts=1, error=error))
    facts = {"operation": operation, **whose}
    requests, calls = "spapi_request_duration_seconds", "spapi_call_duration_seconds"
    assert [sample(metrics, f"{requests}_count", status=status, **facts) for status in ("200", "none", "503")] == [
        2,
        1,
        1,
    ]
    assert sample(metrics, f"{requests}_sum", status="200", **facts) == 1
    assert [sample(metrics, f"{calls}_count", error=error, **facts) for error in ("", "ServerError")] == [3, 1]
    assert sample(metrics, f"{calls}_sum", error="", **facts) == 6


def test_accounts_are_labels_only_on_request() -> None:
    """Ten thousand sellers are ten thousand series."""
    plain, labelled = prometheus.Metrics(CollectorRegistry()), prometheus.Metrics(CollectorRegistry(), accounts=True)
    event = Throttled(operation="orders_v0.get_order", account="one@na", rate=0.5, waiting=0)
    plain(event)
    labelled(event)
    assert b"one@na" not in plain.exposition()
    assert sample(labelled, "spapi_throttled_total", operation="orders_v0.get_order", account="one@na") == 1


def test_the_table_names_exactly_the_metrics() -> None:
    """It lists no metric that does not exist."""
    metrics = prometheus.Metrics(CollectorRegistry())
    exposed = set(re.findall(r"^# TYPE (spapi_\w+)", metrics.exposition().decode(), re.MULTILINE))
    documented = set(re.findall(r"^(spapi_\w+) ", prometheus.__doc__ or "", re.MULTILINE))
    created = {name for name in exposed if name.endswith("_created")}
    assert exposed - created == documented


def test_the_dashboard_names_only_metrics_that_exist() -> None:
    """``examples/watching/dashboard.json`` uses them with the suffixes of histograms."""
    dashboard = Path(__file__).parents[2] / "examples" / "watching" / "dashboard.json"
    panels = msgspec.json.decode(dashboard.read_bytes())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for expression in expressions for name in re.findall(r"spapi_\w+", expression)}
    metrics = prometheus.Metrics(CollectorRegistry())
    exposed = set(re.findall(r"^# TYPE (spapi_\w+) ", metrics.exposition().decode(), re.MULTILINE))
    suffixes = ("", "_bucket", "_count", "_sum")
    assert len(expressions) >= 10
    assert named <= {f"{name}{suffix}" for name in exposed for suffix in suffixes}


@pytest.mark.parametrize("module", [prometheus, opentelemetry])
def test_the_guide_shows_the_table_of_names(module: ModuleType) -> None:
    """It equals the table in the module's docstring."""
    guide = (Path(__file__).parents[2] / "examples" / "watching" / "README.md").read_text(encoding="utf-8")
    lines = (module.__doc__ or "").splitlines()
    first, _, last = (number for number, line in enumerate(lines) if line.startswith("===="))
    assert "\n".join(lines[first : last + 1]) in guide
