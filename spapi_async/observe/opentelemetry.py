"""Spans and metrics for OpenTelemetry. They use only its API, so without an SDK they cost almost nothing.

A provider that the program sets later is used within a tenth of a second.

Spans: one of kind CLIENT for each HTTP exchange, with the attributes of the semantic conventions for HTTP clients:
``http.request.method``, ``url.template``, ``http.response.status_code``, ``http.request.resend_count``, ``error.type``;
also ``spapi.operation`` and ``spapi.request_id``. A span is a child of the span in which the call was made.

==============================  =================  ======  ============================================================
metric                          instrument         unit    attributes
==============================  =================  ======  ============================================================
http.client.request.duration    histogram          s       http.request.method, url.template, http.response.status_code,
                                                           error.type, spapi.operation
spapi.call.duration             histogram          s       spapi.operation, error.type
spapi.quota.wait                histogram          s       spapi.operation
spapi.quota.tokens              observable gauge   {token} spapi.operation (the emptiest bucket)
spapi.throttled                 counter            {reply} spapi.operation
spapi.violations                counter            {place} spapi.operation
spapi.tokens.issued             counter            {token} spapi.token.kind
spapi.document.size             counter            By      spapi.operation
spapi.sync.orders               counter            {order}
spapi.sync.unreadable           counter            {entry}
spapi.sync.failures             counter            {failure}
spapi.sync.freshness            histogram          s       spapi.sync.source
spapi.sync.lag                  observable gauge   s       (read, of the seller furthest behind)
spapi.sync.reconciled.lag       observable gauge   s       spapi.sync.after (of the seller furthest behind)
spapi.sync.found_late           counter            {order} spapi.sync.after: 2h, 48h, 720h
spapi.fleet.sellers             observable gauge   {seller} spapi.fleet.state: all, due, queued, new, revoked
==============================  =================  ======  ============================================================
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from spapi_async._core.events import (
    CallFinished,
    DocumentFinished,
    Event,
    RequestFinished,
    Throttled,
    TokenIssued,
    ViolationsFound,
    Waited,
)
from spapi_async._version import __version__
from spapi_async.observe._facts import SyncLag, Watched, levels, operation_of, sync_counts

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Counter, Histogram, MeterProvider, Observation
    from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('OpenTelemetry needs an extra: pip install "spapi-async[otel]"') from error

__all__ = ["Telemetry"]

_NAME = "spapi_async"
_FIRST_FAILURE = 400
_SYNC_LABELS = {"found_late": "spapi.sync.after", "freshness": "spapi.sync.source"}
_PROVIDER_INTERVAL = 0.1  # seconds between two checks for a provider, each of which reads the environment twice


class Telemetry:
    """An observer that makes spans and metrics; give it to ``Application(observers=[telemetry])``.

    Args:
        tracer_provider: the global one by default.
        meter_provider: the global one by default.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._has_provider = tracer_provider is not None or meter_provider is not None
        self._next_check = 0.0
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._applications: WeakSet[Any] = WeakSet()
        self._lag = SyncLag(time.time)
        self._requests = meter.create_histogram("http.client.request.duration", "s", "HTTP exchanges")
        self._calls = meter.create_histogram("spapi.call.duration", "s", "Calls with their waits and retries")
        self._waits = meter.create_histogram("spapi.quota.wait", "s", "Waits for quota")
        self._throttled = meter.create_counter("spapi.throttled", "{reply}", "Replies of 429")
        self._violations = meter.create_counter(
            "spapi.violations", "{place}", "Places where replies broke their models"
        )
        self._tokens = meter.create_counter("spapi.tokens.issued", "{token}", "Tokens fetched")
        self._bytes = meter.create_counter("spapi.document.size", "By", "Bytes of documents on the wire")
        self._syncs: dict[str, Counter | Histogram] = {
            "orders": meter.create_counter("spapi.sync.orders", "{order}", "Orders read by syncs"),
            "unreadable": meter.create_counter(
                "spapi.sync.unreadable", "{entry}", "Entries that no row could be made of"
            ),
            "failures": meter.create_counter("spapi.sync.failures", "{failure}", "Sellers whose sync failed"),
            "found_late": meter.create_counter("spapi.sync.found_late", "{order}", "Orders that searches had missed"),
            "freshness": meter.create_histogram("spapi.sync.freshness", "s", "Time from a change to its commit"),
        }
        meter.create_observable_gauge("spapi.quota.tokens", [self._levels], "{token}", "Tokens in the emptiest bucket")
        meter.create_observable_gauge("spapi.sync.lag", [self._lags], "s", "Lag of reading, seller furthest behind")
        meter.create_observable_gauge(
            "spapi.sync.reconciled.lag", [self._reconciled], "s", "Lag of reconciliation, seller furthest behind"
        )
        meter.create_observable_gauge("spapi.fleet.sellers", [self._sellers], "{seller}", "Sellers of the fleet")

    def watch(self, application: Watched) -> None:
        """Report the tokens in an application's buckets at each collection, while the application exists."""
        self._applications.add(application)

    def __call__(self, event: Event) -> None:
        """Record an event as a span or a measurement."""
        if not self._has_provider and not self._find_provider():
            return
        name = {"spapi.operation": event.operation}
        match event:
            case RequestFinished():
                self._request(event)
            case CallFinished():
                failed = {"error.type": event.error} if event.error else {}
                self._calls.record(event.seconds, {**name, **failed})
            case Waited():
                self._waits.record(event.seconds, name)
            case Throttled():
                self._throttled.add(1, name)
            case ViolationsFound():
                self._violations.add(len(event.paths), name)
            case TokenIssued():
                self._tokens.add(1, {"spapi.token.kind": event.kind})
            case DocumentFinished():
                self._bytes.add(event.size, name)
            case _:
                pass  # this observer ignores other events

    def _find_provider(self) -> bool:
        """Whether the program has set a provider; without one the API discards everything. Checked at intervals."""
        if (now := time.monotonic()) < self._next_check:
            return False
        self._next_check = now + _PROVIDER_INTERVAL
        providers = (trace.get_tracer_provider(), metrics.get_meter_provider())
        self._has_provider = any("Proxy" not in type(provider).__name__ for provider in providers)
        return self._has_provider

    def progress(self, event: Any) -> None:
        """Measure an event of an order sync: ``sync_orders(…, progress=telemetry.progress)``."""
        for name, amount, label in sync_counts(event, self._lag):
            attributes = {_SYNC_LABELS[name]: label} if label else {}
            instrument = self._syncs[name]
            if isinstance(instrument, Histogram):
                instrument.record(amount, attributes)
            else:
                instrument.add(amount, attributes)

    def _request(self, event: RequestFinished) -> None:
        shown = _shown(event)
        self._requests.record(event.seconds, shown)
        ended = time.time_ns()
        method = shown.get("http.request.method", "HTTP")
        span = self._tracer.start_span(
            f"{method} {shown.get('url.template', event.operation)}",
            kind=SpanKind.CLIENT,
            start_time=ended - int(event.seconds * 1e9),
        )
        if span.is_recording():
            span.set_attributes(shown)
            if event.attempt > 1:
                span.set_attribute("http.request.resend_count", event.attempt - 1)
            if event.request_id:
                span.set_attribute("spapi.request_id", event.request_id)
            if "error.type" in shown:
                span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def _levels(self, options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG002 - OpenTelemetry's signature
        for level in levels(self._applications):
            yield Observation(level.tokens, {"spapi.operation": level.operation})

    def _lags(self, options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG002 - OpenTelemetry's signature
        yield Observation(self._lag.seconds())

    def _reconciled(self, options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG002 - OpenTelemetry's signature
        for after in self._lag.reconciliations:
            yield Observation(self._lag.seconds(after), {"spapi.sync.after": after})

    def _sellers(self, options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG002 - OpenTelemetry's signature
        for state, number in self._lag.sellers.items():
            yield Observation(number, {"spapi.fleet.state": state})


def _shown(event: RequestFinished) -> dict[str, str | int]:
    """The attributes of an exchange by the HTTP conventions; none has a value for each id or seller."""
    shown: dict[str, str | int] = {"spapi.operation": event.operation}
    operation = operation_of(event.operation)
    if operation is not None:
        shown |= {"http.request.method": operation.method, "url.template": operation.path}
    if event.status is None:
        shown["error.type"] = "no_reply"
    else:
        shown["http.response.status_code"] = event.status
        if event.status >= _FIRST_FAILURE:
            shown["error.type"] = str(event.status)
    return shown
