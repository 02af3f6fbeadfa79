"""Metrics for Prometheus, by ``prometheus_client``.

========================================  =========  ==========================  ======================================
metric                                    type       labels                      what
========================================  =========  ==========================  ======================================
spapi_request_duration_seconds            histogram  operation, status           HTTP exchanges; ``none``: no reply
spapi_call_duration_seconds               histogram  operation, error            each call with its waits and retries
spapi_quota_wait_seconds                  histogram  operation                   what calls waited for quota
spapi_throttled_total                     counter    operation                   429s
spapi_rate_changes_total                  counter    operation, reason           changes of a learned rate
spapi_violations_total                    counter    operation                   places where replies broke their models
spapi_tokens_issued_total                 counter    kind                        access (lwa) and restricted (rdt)
spapi_document_bytes_total                counter    operation                   of documents, on the wire
spapi_documents_total                     counter    operation, outcome          complete, stopped, or the error's class
spapi_quota_tokens                        gauge      operation                   tokens in the emptiest bucket
spapi_quota_rate                          gauge      operation                   requests a second of the slowest bucket
spapi_quota_waiting                       gauge      operation                   calls that wait
spapi_sync_orders_total                   counter                                orders read by syncs
spapi_sync_unreadable_total               counter                                entries that no row could be made of
spapi_sync_failures_total                 counter                                sellers whose sync failed
spapi_sync_freshness_seconds              histogram  source                      from a change to its commit
spapi_sync_lag_seconds                    gauge                                  lag of reading, seller furthest behind
spapi_sync_reconciled_lag_seconds         gauge      after: 2h, 48h, 720h        the same lag for reconciliation
spapi_sync_found_late_total               counter    after                       orders that searches had missed
spapi_fleet_sellers                       gauge      state: all, due, queued,    a fleet's sellers; the same in each
                                                     new, revoked                worker, as is the lag
========================================  =========  ==========================  ======================================

With ``accounts=True`` the first seven also have the label ``account``, which grows with the number of sellers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakSet

from spapi_async._core.events import (
    CallFinished,
    DocumentFinished,
    Event,
    RateChanged,
    RequestFinished,
    Throttled,
    TokenIssued,
    ViolationsFound,
    Waited,
)
from spapi_async.observe._facts import SyncLag, Watched, levels, sync_counts

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
    from prometheus_client.core import GaugeMetricFamily
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('Prometheus metrics need an extra: pip install "spapi-async[prometheus]"') from error

__all__ = ["Metrics"]

_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_WAITS = (0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
_FRESHNESS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 900.0, 3600.0)


class Metrics:
    """An observer that counts; give it to ``Application(observers=[metrics])``, and ``metrics.progress`` to syncs.

    Args:
        registry: where the metrics go; prometheus_client's own by default. A registry can hold only one ``Metrics``.
        accounts: label calls with the account as well.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, accounts: bool = False) -> None:
        self.registry = registry
        self._accounts = accounts
        self._applications: WeakSet[Any] = WeakSet()
        self._lag = SyncLag(time.time)
        # The series made so far of the two histograms that are changed by every call.
        self._observers_of_requests: dict[tuple[str, int | None, str], Callable[[float], None]] = {}
        self._observers_of_calls: dict[tuple[str, str | None, str], Callable[[float], None]] = {}
        whose = ("account",) if accounts else ()

        def histogram(name: str, what: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"spapi_{name}_seconds", what, labels, buckets=buckets, registry=registry)

        def counter(name: str, what: str, labels: tuple[str, ...]) -> Counter:
            return Counter(f"spapi_{name}_total", what, labels, registry=registry)

        self._requests = histogram("request_duration", "HTTP exchanges", ("operation", "status", *whose), _SECONDS)
        self._calls = histogram("call_duration", "Calls", ("operation", "error", *whose), _SECONDS)
        self._waits = histogram("quota_wait", "Waits for quota", ("operation", *whose), _WAITS)
        self._throttled = counter("throttled", "Replies of 429", ("operation", *whose))
        self._rates = counter("rate_changes", "Changes of a learned rate", ("operation", "reason", *whose))
        self._violations = counter("violations", "Places where replies broke their models", ("operation", *whose))
        self._tokens = counter("tokens_issued", "Tokens fetched", ("kind", *whose))
        self._bytes = counter("document_bytes", "Bytes of documents on the wire", ("operation",))
        self._documents = counter("documents", "Documents", ("operation", "outcome"))
        self._syncs: dict[str, Counter | Histogram] = {
            "orders": counter("sync_orders", "Orders read by syncs", ()),
            "unreadable": counter("sync_unreadable", "Entries that no row could be made of", ()),
            "failures": counter("sync_failures", "Sellers whose sync failed", ()),
            "found_late": counter("sync_found_late", "Orders that searches had missed", ("after",)),
            "freshness": histogram("sync_freshness", "Time from a change to its commit", ("source",), _FRESHNESS),
        }
        lag = Gauge("spapi_sync_lag_seconds", "Lag of reading, seller furthest behind", registry=registry)
        lag.set_function(self._lag.seconds)
        registry.register(self)

    def watch(self, application: Watched) -> None:
        """Report the tokens in an application's buckets at each scrape, while the application exists."""
        self._applications.add(application)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        whose = event.account if self._accounts else ""
        if isinstance(event, RequestFinished):
            series = (event.operation, event.status, whose)
            observe = self._observers_of_requests.get(series) or self._begin_requests(series)
            observe(event.seconds)
        elif isinstance(event, CallFinished):
            outcome = (event.operation, event.error, whose)
            observe = self._observers_of_calls.get(outcome) or self._begin_calls(outcome)
            observe(event.seconds)
        else:
            self._count(event, (whose,) if self._accounts else ())

    def _count(self, event: Event, whose: tuple[str, ...]) -> None:
        match event:
            case Waited():
                self._waits.labels(event.operation, *whose).observe(event.seconds)
            case Throttled():
                self._throttled.labels(event.operation, *whose).inc()
            case RateChanged():
                self._rates.labels(event.operation, event.reason, *whose).inc()
            case ViolationsFound():
                self._violations.labels(event.operation, *whose).inc(len(event.paths))
            case TokenIssued():
                self._tokens.labels(event.kind, *whose).inc()
            case DocumentFinished():
                self._bytes.labels(event.operation).inc(event.size)
                outcome = event.error or ("complete" if event.complete else "stopped")
                self._documents.labels(event.operation, outcome).inc()
            case _:
                pass  # this observer ignores other events

    def _begin_requests(self, series: tuple[str, int | None, str]) -> Callable[[float], None]:
        """The series of an operation, status and account, kept because ``labels()`` takes a lock each time."""
        operation, status, whose = series
        labels = (operation, "none" if status is None else str(status), *((whose,) if self._accounts else ()))
        observe: Callable[[float], None] = self._requests.labels(*labels).observe
        return self._observers_of_requests.setdefault(series, observe)

    def _begin_calls(self, series: tuple[str, str | None, str]) -> Callable[[float], None]:
        operation, error, whose = series
        observe: Callable[[float], None] = self._calls.labels(
            operation, error or "", *((whose,) if self._accounts else ())
        ).observe
        return self._observers_of_calls.setdefault(series, observe)

    def progress(self, event: Any) -> None:
        """Count an event of an order sync: ``sync_orders(…, progress=metrics.progress)``."""
        for name, amount, label in sync_counts(event, self._lag):
            metric = self._syncs[name]
            child = metric.labels(label) if label else metric
            if isinstance(child, Histogram):
                child.observe(amount)
            else:
                child.inc(amount)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The current state of the buckets; called by the registry."""
        tokens = GaugeMetricFamily("spapi_quota_tokens", "Tokens in the emptiest bucket", labels=["operation"])
        rate = GaugeMetricFamily("spapi_quota_rate", "Requests a second of the slowest bucket", labels=["operation"])
        waiting = GaugeMetricFamily("spapi_quota_waiting", "Calls that wait for quota", labels=["operation"])
        for level in levels(self._applications):
            tokens.add_metric([level.operation], level.tokens)
            rate.add_metric([level.operation], level.rate)
            waiting.add_metric([level.operation], level.waiting)
        lag = GaugeMetricFamily(
            "spapi_sync_reconciled_lag_seconds", "Lag of reconciliation, seller furthest behind", labels=["after"]
        )
        for after in self._lag.reconciliations:
            lag.add_metric([after], self._lag.seconds(after))
        sellers = GaugeMetricFamily("spapi_fleet_sellers", "Sellers of the fleet", labels=["state"])
        for state, number in self._lag.sellers.items():
            sellers.add_metric([state], number)
        yield from (tokens, rate, waiting, lag, sellers)

    def describe(self) -> list[Any]:
        """Empty: which metrics :meth:`collect` returns depends on the calls made so far."""
        return []

    def exposition(self) -> bytes:
        """All metrics of the registry in Prometheus' text format, for ``GET /metrics``."""
        return generate_latest(self.registry)
