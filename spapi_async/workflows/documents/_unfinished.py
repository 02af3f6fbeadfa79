"""Files that appear under their name only when they are complete."""

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
    """Refuse a path at which no file can be created, before anything is downloaded for it.

    Raises:
        OSError: the path is a folder, or its parent folder does not exist.
    """
    text = os.fspath(path)
    # "reports/" means a folder, even if it does not exist.
    if not text or text.endswith(os.sep) or Path(text).is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), text)
    folder = Path(os.path.realpath(text)).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether the path exists and is not a file, such as ``/dev/null``, which must not be replaced."""
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return False


@asynccontextmanager
async def unfinished_file(path: str | os.PathLike[str]) -> AsyncIterator[Path]:
    """A new empty file in the same folder, which replaces the file at ``path`` when the block ends without an error.

    If ``path`` is a link, the file to which it leads is replaced. Unfinished files of killed processes are removed.

    Raises:
        OSError: as :func:`check_target`; or the path is a device or a pipe.
    """
    unfinished = await anyio.to_thread.run_sync(_Unfinished, path)
    try:
        yield unfinished.path
        await anyio.to_thread.run_sync(unfinished.keep)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(unfinished.close)


class _Unfinished:
    """An unfinished file; it is locked while its process lives, so that others recognise those of dead processes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_target(path)
        if is_special(path):
            raise FileExistsError(errno.EEXIST, "the path is a device or a pipe, not a file", os.fspath(path))
        self._target = Path(os.path.realpath(path))
        self._remove_leftovers()
        while not self._create():  # another process may remove the file before it is locked
            pass

    def keep(self) -> None:
        """Move the file to its final name."""
        self.path.replace(self._target)

    def close(self) -> None:
        """Remove the file if it was not moved."""
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
            with suppress(OSError):  # it no longer exists, or may not be removed
                held = os.open(path, os.O_WRONLY)
                try:
                    if _lock(held, wait=False):
                        path.unlink()
                finally:
                    os.close(held)


def _lock(file: int, *, wait: bool) -> bool:
    """Lock a file; False if another process has the lock, or the system does not support locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (ImportError, OSError):
        return False
    return True
