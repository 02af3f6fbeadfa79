"""Which kind of output a target names."""

from __future__ import annotations

from pathlib import Path

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.bulk._json_lines import JsonLines
from spapi_async.workflows.bulk._sink import Sink
from spapi_async.workflows.bulk._table import Table

__all__ = ["open_sink"]


def open_sink(target: str | Path) -> Sink:
    """The sink that a target names: ``items.jsonl``, ``items.parquet`` or ``sqlite:///items.db``.

    Raises:
        ConfigurationError: it names none, its folder does not exist, or something else than a file has its name.
    """
    text = str(target)
    if text.startswith("sqlite:///"):
        return Table(_in_a_folder(Path(text.removeprefix("sqlite:///"))))
    path = Path(text)
    if "://" not in text and path.suffix in (".jsonl", ".ndjson"):
        return JsonLines(_in_a_folder(path))
    if "://" not in text and path.suffix == ".parquet":
        from spapi_async.workflows.bulk._parquet import Parquet

        return Parquet(_in_a_folder(path))
    raise ConfigurationError(f"cannot write to {text!r}: give items.jsonl, items.parquet or sqlite:///items.db")


def _in_a_folder(path: Path) -> Path:
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.absolute().parent}")
    if path.exists() and not path.is_file():  # a crawl cuts off what its journal does not know
        raise ConfigurationError(f"{path} is a folder or a device, not a file")
    return path
