"""The output folder: what it contains, what a run would change, and what a run must not delete."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from spapi_async.codegen.generate import Generated
from spapi_async.codegen.notifications import GeneratedNotifications

__all__ = ["Change", "Output", "plan", "plan_notifications"]

_PACKAGES = ("api", "models")
_PAYLOADS = "models/notifications"
_INDEX = "__init__"
_MOST_SHOWN = 5


class Change(msgspec.Struct, frozen=True):
    """The result of a run: files and their text, paths to delete, and why some modules are left unchanged."""

    files: dict[str, str]
    deleted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __add__(self, other: Change) -> Change:
        """Both changes together."""
        return Change(self.files | other.files, self.deleted + other.deleted, self.refused + other.refused)


class Output:
    """The generated packages below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self) -> set[str]:
        """All Python files of the generated packages."""
        return self._in(*_PACKAGES)

    def notification_paths(self) -> set[str]:
        """All Python files of the notifications' payloads."""
        return self._in(_PAYLOADS)

    def _in(self, *packages: str) -> set[str]:
        return {f"{package}/{path.name}" for package in packages for path in (self._folder / package).glob("*.py")}

    def operations(self) -> dict[str, tuple[str, ...]]:
        """The methods of each existing module."""
        return {
            Path(path).stem: tuple(_OPERATION.findall(self._text(path)))
            for path in sorted(self.paths())
            if path.startswith("api/") and Path(path).stem != _INDEX
        }

    def stale(self, change: Change) -> list[str]:
        """Files that are missing, differ, or are to be deleted."""
        present = self.paths() | self.notification_paths()
        differing = [path for path, text in change.files.items() if path not in present or self._text(path) != text]
        return sorted([*differing, *change.deleted])

    def write(self, change: Change) -> None:
        """Write the files that differ, and delete those that are to be deleted."""
        for path in self.stale(change):
            target = self._folder / path
            if path in change.deleted:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(change.files[path], encoding="utf-8", newline="\n")

    def _text(self, path: str) -> str:
        return (self._folder / path).read_bytes().decode("utf-8", "replace")


_OPERATION = re.compile(r'^    +name="\w+\.(\w+)",$', re.MULTILINE)


def plan(made: Generated, output: Output, *, prune: bool) -> Change:
    """What to write and delete; without ``prune``, a module that would lose an operation is left unchanged.

    An operation may be missing because Amazon has removed it, but also because its file was refused or the folder of
    older models was not given; only the caller can tell.
    """
    present = output.operations()
    lost = {} if prune else _lost(made.operations, present, output.paths())
    files = made.without(lost).with_indexes(beside=lost.keys() & present.keys())
    kept = {f"{package}/{module}.py" for package in _PACKAGES for module in lost}
    return Change(
        files=files,
        deleted=tuple(sorted(output.paths() - files.keys() - kept)),
        refused=tuple(_refusal(module, methods) for module, methods in lost.items()),
    )


def plan_notifications(made: GeneratedNotifications, output: Output, *, prune: bool) -> Change:
    """The same for the payloads of notifications; since their index lists all of them, all are written or none."""
    left_over = sorted(output.notification_paths() - made.files.keys())
    if left_over and not prune:
        names = ", ".join(Path(path).stem for path in left_over[:_MOST_SHOWN])
        return Change({}, refused=(f"{_PAYLOADS} is left unchanged: no schema that was read defines {names}; {_CURE}",))
    return Change(made.files, deleted=tuple(left_over))


_CURE = "--prune deletes them"


def _lost(
    made: Mapping[str, tuple[str, ...]], present: Mapping[str, tuple[str, ...]], paths: Iterable[str]
) -> dict[str, list[str]]:
    """The modules that would be deleted or lose a method, and the lost methods."""
    modules = sorted({Path(path).stem for path in paths} - {_INDEX})
    gone = {module: sorted(set(present.get(module, ())) - set(made.get(module, ()))) for module in modules}
    return {module: methods for module, methods in gone.items() if methods or module not in made}


def _refusal(module: str, methods: list[str]) -> str:
    shown = ", ".join(methods[:_MOST_SHOWN]) + (
        f" and {len(methods) - _MOST_SHOWN} more" if len(methods) > _MOST_SHOWN else ""
    )
    return (
        f"{module} is left unchanged: no model file that was read defines {shown or 'it'}. "
        f"Give the folder of older models (--legacy) or correct the refused files; {_CURE}"
    )
