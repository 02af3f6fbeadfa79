"""Spans and metrics for OpenTelemetry, read back with its SDK."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from spapi_async import (
    Application,
    CallFinished,
    DocumentFinished,
    NotFoundError,
    RequestFinished,
    Throttled,
    ViolationsFound,
    Waited,
)
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator import Emulator
from spapi_async.fleet import FleetLag
from spapi_async.observe import opentelemetry
from spapi_async.workflows.orders import OrdersFresh, OrdersReconciled, PageStored, SellerFailed

GET = "orders_2026_01_01.get_order"


class Collected:
    """A telemetry whose spans and metrics are kept in memory."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = MeterProvider(metric_readers=[self._reader])
        self.telemetry = opentelemetry.Telemetry(tracer_provider=self.tracers, meter_provider=meters)

    def spans(self) -> list[Any]:
        """The spans that ended."""
        return list(self._spans.get_finished_spans())

    def points(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        found: dict[str, list[Any]] = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found.setdefault(metric.name, []).extend(metric.data.data_points)
        return found


async def test_each_exchange_is_a_client_span_in_the_callers() -> None:
    """It follows the conventions for HTTP clients; a repetition has its number; no id and no seller is an attribute."""
    collected = Collected()
    retry = RetryPolicy(attempts=2, base=0.001)
    async with (
        Emulator(orders=3) as emulator,
        Application("app", "secret", endpoint=emulator.url, observers=[collected.telemetry], retry=retry) as app,
    ):
        collected.telemetry.watch(app)
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="A1PLANTED")
        emulator.faults({"operation": GET, "status": 503, "times": 1})
        handling = collected.tracers.get_tracer("test").start_as_current_span("handler")
        with handling, contextlib.suppress(NotFoundError):
            await seller.orders_2026_01_01.get_order("902-0000000-0000000")
        first, second, handler = collected.spans()
        points = collected.points()
    assert [first.name, second.name] == ["GET /orders/2026-01-01/orders/{orderId}"] * 2
    assert first.kind is SpanKind.CLIENT
    assert first.parent.span_id == handler.context.span_id
    assert (first.attributes["http.response.status_code"], first.attributes["error.type"]) == (503, "503")
    assert first.status.status_code is StatusCode.ERROR
    assert second.attributes["http.request.resend_count"] == 1
    assert second.attributes["http.request.method"] == "GET"
    assert second.attributes["spapi.request_id"]
    assert handler.start_time <= first.start_time <= first.end_time <= second.end_time <= handler.end_time
    assert "A1PLANTED" not in str([span.attributes for span in (first, second)])
    assert sum(point.count for point in points["http.client.request.duration"]) == 2
    assert points["spapi.call.duration"][0].attributes["error.type"] == "NotFoundError"
    assert {point.attributes["spapi.operation"] for point in points["spapi.quota.tokens"]} == {GET}


def test_every_event_is_measured() -> None:
    """Each kind has the metrics that the table names."""
    collected = Collected()
    telemetry = collected.telemetry
    call = {"operation": GET, "account": "one@na"}
    telemetry(Waited(seconds=3.0, **call))
    telemetry(Throttled(rate=0.5, waiting=2, **call))
    telemetry(ViolationsFound(paths=("$.a", "$.b"), **call))
    telemetry(CallFinished(seconds=0.7, attempts=1, error=None, **call))
    telemetry(DocumentFinished(size=700, requests=1, seconds=0.1, complete=True, **call))
    telemetry(RequestFinished(status=None, seconds=0.5, attempt=1, **call))
    telemetry.progress(SellerFailed(seller="one@na", total=0, error="x"))
    until = datetime.now(UTC) - timedelta(hours=3)
    telemetry.progress(OrdersReconciled(seller="one@na", hours=2, reconciled_to=until, found=4))
    page: dict[str, Any] = {"items": 0, "total": 30, "violations": 0, "latest": None, "upper_bound": None}
    telemetry.progress(PageStored(seller="one@na", orders=30, unreadable=1, **page))
    telemetry.progress(OrdersFresh(seller="one@na", source="search", seconds=(3.0, 4.0)))
    points = collected.points()
    assert points["spapi.quota.wait"][0].sum == 3
    assert points["spapi.throttled"][0].value == 1
    assert points["spapi.violations"][0].value == 2
    assert [(point.sum, point.attributes) for point in points["spapi.call.duration"]] == [
        (0.7, {"spapi.operation": GET})
    ]
    assert points["spapi.document.size"][0].value == 700
    assert points["spapi.sync.failures"][0].value == 1
    assert points["spapi.sync.freshness"][0].sum == 7
    assert points["spapi.sync.freshness"][0].attributes == {"spapi.sync.source": "search"}
    assert (points["spapi.sync.orders"][0].value, points["spapi.sync.unreadable"][0].value) == (30, 1)
    assert points["spapi.sync.found_late"][0].value == 4
    (lag,) = points["spapi.sync.reconciled.lag"]
    assert lag.value == pytest.approx(3 * 3600, abs=600)
    assert lag.attributes == {"spapi.sync.after": "2h"}
    (span,) = collected.spans()
    assert span.attributes["error.type"] == "no_reply"
    numbers = {"sellers": 5, "due": 4, "queued": 3, "new": 2, "revoked": 1}
    telemetry.progress(FleetLag(seller="one@na", lag=70.0, reconciled={}, **numbers))
    states = {point.attributes["spapi.fleet.state"]: point.value for point in collected.points()["spapi.fleet.sellers"]}
    assert states == {"all": 5, "due": 4, "queued": 3, "new": 2, "revoked": 1}


def test_the_table_names_exactly_the_metrics() -> None:
    """They are the names with which the instruments are made."""
    made: list[str] = []

    class Meter:
        def __getattr__(self, name: str) -> Any:
            return lambda called, *arguments, **options: made.append(called)

    class Meters:
        def get_meter(self, *arguments: Any, **options: Any) -> Meter:
            return Meter()

    opentelemetry.Telemetry(meter_provider=Meters())  # type: ignore[arg-type]
    documented = re.findall(r"^((?:http|spapi)\.[\w.]+) ", opentelemetry.__doc__ or "", re.MULTILINE)
    assert sorted(made) == sorted(documented)


def test_a_provider_that_is_set_later_gets_later_events() -> None:
    """Programs set OpenTelemetry up after they have made their application; nothing is computed before."""
    program = """
import time
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from spapi_async import RequestFinished
from spapi_async.observe.opentelemetry import Telemetry

telemetry = Telemetry()
event = RequestFinished(operation="orders_v0.get_order", account="a", status=200, seconds=0.1, attempt=1)
telemetry(event)
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
heard_by = time.monotonic() + 30
while not spans.get_finished_spans() and time.monotonic() < heard_by:
    time.sleep(0.01)
    telemetry(event)
print(len(spans.get_finished_spans()))
telemetry(event)
print(len(spans.get_finished_spans()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1", "2"]
