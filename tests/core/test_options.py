"""Per-call options."""

import asyncio

import pytest

from spapi_async import Priority, call_options
from spapi_async._core.options import current_options


def test_options_nest_and_end_with_their_block() -> None:
    """An inner block changes only the options that it names."""
    with call_options(priority=Priority.BULK, max_wait=5.0):
        with call_options(max_wait=1.0) as inner:
            assert (inner.priority, inner.max_wait) == (Priority.BULK, 1.0)
            assert current_options() is inner
        assert current_options().max_wait == 5.0
    assert current_options().priority is Priority.NORMAL


def test_an_unknown_option_is_refused() -> None:
    """A misspelt option is not ignored."""
    with pytest.raises(TypeError, match="prio"), call_options(prio=1):  # type: ignore[call-arg]
        pass


async def test_tasks_inherit_options_and_do_not_share_changes() -> None:
    """Concurrent calls with different options do not mix."""

    async def wait_of(seconds: float) -> float | None:
        with call_options(max_wait=seconds):
            await asyncio.sleep(0)
            return current_options().max_wait

    with call_options(max_wait=9.0):
        assert await asyncio.gather(*map(wait_of, (1.0, 2.0, 3.0))) == [1.0, 2.0, 3.0]
        assert current_options().max_wait == 9.0
