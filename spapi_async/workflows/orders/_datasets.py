"""The data sets with which orders are requested: one that Amazon refuses a seller is left out, the others stay."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import anyio

from spapi_async._core.caller import Caller, Reply
from spapi_async._core.operation import Operation
from spapi_async.errors import BadRequestError, ForbiddenError, SPAPIError

__all__ = ["REFUSED", "Datasets"]

REFUSED = (BadRequestError, ForbiddenError)
"""How Amazon answers a call that requests a refused data set."""

_Ask = Callable[[Sequence[str]], Awaitable[Reply[Any]]]
_NAMES = re.compile(r"[A-Z_]+").findall


def _ignore_refusal(dataset: str, error: SPAPIError) -> None:
    """Does nothing about a refused data set."""


class Datasets:
    """The data sets with which one seller's orders are requested; shared by all code that fetches them.

    Args:
        wanted: ``includedData`` as the caller chose it.
        tell: called once for each data set that is left out.
    """

    def __init__(self, wanted: Iterable[str], *, tell: Callable[[str, SPAPIError], None] = _ignore_refusal) -> None:
        self.wanted = tuple(str(name) for name in wanted)
        self.tell = tell
        self._left_out: set[str] = set()
        self._looking = anyio.Lock()

    def __repr__(self) -> str:
        return f"<Datasets {', '.join(self.included)}; refused: {', '.join(self.missing) or 'none'}>"

    @classmethod
    def of(cls, wanted: Datasets | Iterable[str]) -> Datasets:
        """``wanted`` itself if it is one, else a new object with these names."""
        return wanted if isinstance(wanted, Datasets) else cls(wanted)

    @property
    def included(self) -> list[str]:
        """The data sets that are requested."""
        return [name for name in self.wanted if name not in self._left_out]

    @property
    def missing(self) -> tuple[str, ...]:
        """The data sets that are wanted but left out."""
        return tuple(name for name in self.wanted if name in self._left_out)

    def leave_out(self, dataset: str) -> None:
        """Leave out a data set that was refused before."""
        self._left_out.add(dataset)

    def restore(self, dataset: str) -> None:
        """Request a data set again."""
        self._left_out.discard(dataset)

    async def call(
        self, seller: Caller, operation: Operation[Any], **arguments: Any
    ) -> tuple[Reply[Any], tuple[str, ...]]:
        """Call an operation that takes ``includedData``; its reply, and the data sets that it lacks.

        Raises:
            SPAPIError: the call failed for good, and not because of a data set.
        """

        async def ask(names: Sequence[str]) -> Reply[Any]:
            return await seller.call(operation, included_data=list(names) or None, **arguments)

        while True:
            asked, missing = self.included, self.missing
            try:
                return await ask(asked), missing
            except REFUSED as error:
                if not asked or not await self._found_refused(asked, error, ask):
                    raise

    async def _found_refused(self, asked: Sequence[str], error: SPAPIError, ask: _Ask) -> bool:
        """Leave out the data sets that Amazon refuses; False if the call is refused without them, too."""
        async with self._looking:
            if self.included != asked:
                return True  # another call has found it in the meantime
            refused = await _refused_of(asked, error, ask)
            for name in refused:
                self.leave_out(name)
                self.tell(name, error)
            return bool(refused)


async def _refused_of(asked: Sequence[str], error: SPAPIError, ask: _Ask) -> list[str]:
    """The data sets that Amazon's message names, if the others are accepted; else they are found by bisection."""
    words = set(_NAMES(str(error)))
    named = [name for name in asked if name in words]
    if named and await _is_accepted([name for name in asked if name not in named], ask):
        return named
    if not await _is_accepted((), ask):
        return []
    return await _refused_among(asked, ask)


async def _refused_among(names: Sequence[str], ask: _Ask) -> list[str]:
    """The data sets that are refused individually; at least one of these names is."""
    if len(names) == 1:
        return list(names)
    middle = len(names) // 2
    found = []
    for half in (names[:middle], names[middle:]):
        if not await _is_accepted(half, ask):
            found += await _refused_among(half, ask)
    return found


async def _is_accepted(names: Sequence[str], ask: _Ask) -> bool:
    try:
        await ask(names)
    except REFUSED:
        return False
    return True
