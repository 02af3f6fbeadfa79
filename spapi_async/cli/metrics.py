"""``--metrics PORT``: metrics of a long-running command, for Prometheus to scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from spapi_async.observe.prometheus import Metrics

__all__ = ["MetricsOption", "metrics_at"]

MetricsOption = Annotated[
    int | None,
    typer.Option("--metrics", metavar="PORT", min=1, max=65535, help="Serve metrics for Prometheus on this port."),
]


def metrics_at(port: int | None) -> Metrics | None:
    """Metrics that are served on this port; None if there is no port.

    Raises:
        ConfigurationError: the port is taken, or the extra is not installed.
    """
    if port is None:
        return None
    try:
        from prometheus_client import CollectorRegistry, start_http_server

        from spapi_async.observe.prometheus import Metrics
    except ModuleNotFoundError:
        raise ConfigurationError('--metrics needs an extra: pip install "spapi-async[prometheus]"') from None
    metrics = Metrics(CollectorRegistry())
    try:
        start_http_server(port, registry=metrics.registry)
    except OSError as error:
        raise ConfigurationError(f"metrics cannot be served on port {port}: {error.strerror}") from None
    return metrics
