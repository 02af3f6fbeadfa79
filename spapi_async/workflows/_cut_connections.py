"""What to do when the connection to a database server is cut: by its restart, a failover, or an administrator."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

__all__ = ["again_if_cut"]

_AFTER_A_CUT = (0.0, 1.0, 3.0)  # seconds before each further attempt: a server that is restarted is back in seconds
_NOT_YET = ("57P03", "57P02", "57P01", "53300")  # SQLSTATEs of a server that starts, ends or has no connection to spare

P = ParamSpec("P")
T = TypeVar("T")


def again_if_cut(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Do again what lost its connection to the server, for some seconds; it must not matter if it was done twice.

    Whether a commit took effect whose reply is missing cannot be known.
    """

    @functools.wraps(method)
    async def repeated(*arguments: P.args, **options: P.kwargs) -> T:
        for pause in _AFTER_A_CUT:
            try:
                return await method(*arguments, **options)
            except Exception as error:
                if not _is_cut(error):
                    raise
            await asyncio.sleep(pause)
        return await method(*arguments, **options)

    return repeated


def _is_cut(error: Exception) -> bool:
    """Whether the connection was lost, or could not be made: what asyncpg raises then comes without SQLAlchemy's."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, TimeoutError):  # an OSError, too
        return False
    return isinstance(error, OSError) or getattr(error, "sqlstate", None) in _NOT_YET
