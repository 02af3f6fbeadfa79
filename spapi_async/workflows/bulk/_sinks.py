"""Chooses the kind of a crawl's output."""

from __future__ import annotations

from pathlib import Path

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.bulk._json_lines import JsonLines
from spapi_async.workflows.bulk._sink import Sink, resolved
from spapi_async.workflows.bulk._table import Table

__all__ = ["open_sink"]


def open_sink(target: str | Path) -> Sink:
    """The sink for a target: ``items.jsonl``, ``items.parquet`` or ``sqlite:///items.db``.

    Raises:
        ConfigurationError: the target has another form, its folder does not exist, or it is not a file.
    """
    text = str(target)
    if text.startswith("sqlite:///"):
        return Table(_checked(Path(text.removeprefix("sqlite:///"))))
    path = Path(text)
    if "://" not in text and path.suffix in (".jsonl", ".ndjson"):
        return JsonLines(_checked(path))
    if "://" not in text and path.suffix == ".parquet":
        from spapi_async.workflows.bulk._parquet import Parquet

        return Parquet(_checked(path))
    raise ConfigurationError(f"cannot write to {text!r}: give items.jsonl, items.parquet or sqlite:///items.db")


def _checked(path: Path) -> Path:
    folder = resolved(path).parent
    if not folder.is_dir():
        raise ConfigurationError(f"the folder {folder} does not exist")
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is a folder or a device, not a file")
    return path
