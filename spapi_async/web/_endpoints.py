"""The paths that the middleware answers itself: ``/health`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from spapi_async import Application

__all__ = ["Answer", "Endpoints"]

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Answer(NamedTuple):
    """A whole response."""

    status: int
    content_type: str
    body: bytes


class Endpoints:
    """The paths of one application's health and metrics; None leaves a path to the web application.

    Args:
        application: the application whose health is shown.
        health: the path that shows the state of its parts as JSON, with status 503 if a part failed when it was last
            used, else 200. No request is sent to Amazon.
        metrics: the path that shows the result of ``exposition``, if that is given.
        exposition: makes the metrics, such as ``Metrics().exposition`` of :mod:`spapi_async.observe.prometheus`.
    """

    def __init__(
        self,
        application: Application,
        *,
        health: str | None = "/health",
        metrics: str | None = "/metrics",
        exposition: Callable[[], bytes] | None = None,
    ) -> None:
        self._application = application
        self._health = health
        self._metrics = metrics if exposition is not None else None
        self._exposition = exposition

    async def answer(self, method: str, path: str) -> Answer | None:
        """The response to a request, or None if the request is for the web application."""
        if method not in ("GET", "HEAD"):
            return None
        if path == self._health:
            found = await self._application.health()
            body = msgspec.json.encode({"ok": found.ok, **msgspec.structs.asdict(found)})
            return Answer(200 if found.ok else 503, "application/json", body)
        if path == self._metrics and self._exposition is not None:
            return Answer(200, _METRICS_TYPE, self._exposition())
        return None
