"""The progress bar of a report, feed or query: its status and the time until the next poll, then the bytes read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, Self

import anyio
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from spapi_async.workflows.documents import Document

__all__ = ["ReportBar", "run_state"]

_REFRESH_SECONDS = 0.25


def run_state(status: str, next_poll_in: float | None) -> str:
    """The status of a run in words, with the time until the next poll."""
    words = {"PLANNED": "waiting for quota", "SENDING": "requesting"}.get(status, status)
    return words if next_poll_in is None else f"{words}, next poll in {next_poll_in:.0f} s"


class Followed(Protocol):
    """A run of any kind."""

    @property
    def status(self) -> str:
        """Its status at Amazon, or before it was requested."""

    @property
    def next_poll_in(self) -> float | None:
        """Seconds until the next poll."""


class ReportBar:
    """Draws on a terminal; elsewhere it draws nothing."""

    def __init__(self, console: Console, report_type: str) -> None:
        self._run: Followed | None = None
        self._document: Document | None = None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(escape(report_type), total=None, state="requesting")

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[Self]:
        """Draw for as long as the block lasts."""
        with self._progress:
            drawing = anyio.create_task_group()
            async with drawing:
                drawing.start_soon(self._draw)
                try:
                    yield self
                finally:
                    drawing.cancel_scope.cancel()

    def follow(self, run: Followed) -> None:
        """Show the status of this run."""
        self._run = run

    def read(self, document: Document) -> None:
        """Show how much of the document has been read."""
        self._document = document

    def state(self) -> str:
        """The text that is shown now."""
        if self._document is not None:
            return f"{self._document.bytes_read / 1e6:,.1f} MB"
        if self._run is not None:
            return run_state(self._run.status, self._run.next_poll_in)
        return "requesting"

    async def _draw(self) -> None:
        while not self._progress.disable:
            self._progress.update(self._task, state=self.state())
            await anyio.sleep(_REFRESH_SECONDS)
