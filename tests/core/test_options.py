"""Per-call options."""

import asyncio
import math
from contextlib import nullcontext
from typing import Any

import pytest

from spapi_async import ConfigurationError, Priority, call_options
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


@pytest.mark.parametrize("option", ["max_wait", "deadline", "timeout"])
@pytest.mark.parametrize("seconds", [None, 0, 0.5, 1, -1, math.nan, "1"])
def test_seconds_are_not_negative_and_a_timeout_is_more_than_zero(option: Any, seconds: Any) -> None:
    """The call would fail in the middle, or the option would have no effect."""
    fits = seconds in (None, 0.5, 1) or (seconds == 0 and option != "timeout")
    expected = nullcontext() if fits else pytest.raises(ConfigurationError, match=f"{option} must be")
    with expected, call_options(**{option: seconds}):
        assert getattr(current_options(), option) == seconds


async def test_tasks_inherit_options_and_do_not_share_changes() -> None:
    """Concurrent calls with different options do not mix."""

    async def wait_of(seconds: float) -> float | None:
        with call_options(max_wait=seconds):
            await asyncio.sleep(0)
            return current_options().max_wait

    with call_options(max_wait=9.0):
        assert await asyncio.gather(*map(wait_of, (1.0, 2.0, 3.0))) == [1.0, 2.0, 3.0]
        assert current_options().max_wait == 9.0
