"""A file that appears under its name when it is complete, and what may stand under that name already."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio

__all__ = ["check_target", "is_special", "unfinished_file"]


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse a path that no file can be put at, before anything is fetched for it.

    Raises:
        OSError: a folder has that name, or there is no folder to put it into.
    """
    text = os.fspath(path)
    # "reports/" means a folder, whether there is one or not.
    if not text or text.endswith(os.sep) or Path(text).is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), text)
    folder = Path(os.path.realpath(text)).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether it is there and no file: replacing ``/dev/null`` would be the end of it."""
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return False


@asynccontextmanager
async def unfinished_file(path: str | os.PathLike[str]) -> AsyncIterator[Path]:
    """A file beside this one, empty so far, which takes its place when the block ends well.

    A link stays one: what it leads to is replaced. What killed processes have left beside the file is removed.

    Raises:
        OSError: as :func:`check_target`; a device or a pipe has that name.
    """
    unfinished = await anyio.to_thread.run_sync(_Unfinished, path)
    try:
        yield unfinished.path
        await anyio.to_thread.run_sync(unfinished.keep)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(unfinished.close)


class _Unfinished:
    """A file that is not complete, locked while its process lives: so others can tell what a dead one has left."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_target(path)
        if is_special(path):
            raise FileExistsError(errno.EEXIST, "it is a device or a pipe, not a file", os.fspath(path))
        self._target = Path(os.path.realpath(path))
        self._remove_leftovers()
        while not self._create():  # another process took it for a leftover before it was locked
            pass

    def keep(self) -> None:
        """Put it in its place."""
        self.path.replace(self._target)

    def close(self) -> None:
        """Remove it if it is still there."""
        self.path.unlink(missing_ok=True)
        os.close(self._lock)

    def _create(self) -> bool:
        self.path = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.part")
        self._lock = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(self._lock, wait=True)
        if self.path.exists():
            return True
        os.close(self._lock)
        return False

    def _remove_leftovers(self) -> None:
        for path in self._target.parent.glob(f".{glob.escape(self._target.name)}.{'[0-9a-f]' * 8}.part"):
            with suppress(OSError):  # it is gone, or not ours to remove
                held = os.open(path, os.O_WRONLY)
                try:
                    if _lock(held, wait=False):
                        path.unlink()
                finally:
                    os.close(held)


def _lock(file: int, *, wait: bool) -> bool:
    """Whether it is this process's now; False too where the system or the file system knows no locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (ImportError, OSError):
        return False
    return True
