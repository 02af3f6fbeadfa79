"""``--violations FILE``: a JSON line for each place at which a reply broke its model."""

from __future__ import annotations

from types import TracebackType
from typing import IO, Annotated, Self

import msgspec
import typer

from spapi_async import Event, ViolationsFound
from spapi_async.errors import ConfigurationError

__all__ = ["ViolationFile", "ViolationsOption"]

ViolationsOption = Annotated[
    str | None,
    typer.Option(
        "--violations",
        metavar="FILE",
        help="Write the places where replies broke Amazon's models here (JSON lines, without values).",
    ),
]


class ViolationFile:
    """An observer that writes each violation to a file; without a path it does nothing."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = open(self._path, "wb")  # noqa: PTH123 - closed by __exit__
            except OSError as error:
                raise ConfigurationError(f"cannot write violations to {self._path}: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __call__(self, event: Event) -> None:
        """Write an event's violations."""
        if self._file is None or not isinstance(event, ViolationsFound):
            return
        for path in event.paths:
            facts = {
                "operation": event.operation,
                "account": event.account,
                "request_id": event.request_id,
                "path": path,
            }
            self._file.write(msgspec.json.encode(facts) + b"\n")
        self._file.flush()
