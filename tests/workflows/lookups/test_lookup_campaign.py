"""Random callers leave, use deadlines and repeat keys, while Amazon refuses, throttles and damages replies."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from batching import SINGLE, Numbers, NumbersSeller, numbers_rule, resources
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run

from spapi_async import BadRequestError, NotFoundError, Priority, ServerError, SPAPIError, call_options
from spapi_async._core.operation import Operation
from spapi_async.workflows.lookups._batcher import Batcher

CALLER = st.fixed_dictionaries(
    {
        "number": st.integers(-3, 40),
        "comes": st.sampled_from([0.0, 0.0, 0.001, 0.3, 1.0, 5.0]),
        "leaves": st.sampled_from([None, None, None, 0.0, 0.003, 0.06, 0.4, 2.0]),
        "priority": st.sampled_from(list(Priority)),
        "max_wait": st.sampled_from([None, None, 0.0, 0.5, 3.0]),
        "deadline": st.sampled_from([None, None, None, 0.05, 1.0, 8.0]),
    }
)


class Unreliable(NumbersSeller):
    """A seller whose replies lose, repeat and reorder entries, and whose requests sometimes fail."""

    def __init__(self, seed: int, trouble: float, **more: Any) -> None:
        super().__init__(**more)
        self._rng = random.Random(seed)
        self._trouble = trouble

    async def call(self, operation: Operation[Any], /, **arguments: Any) -> Any:
        reply = await super().call(operation, **arguments)
        if self._rng.random() >= self._trouble:
            return reply
        if operation is SINGLE or self._rng.random() < 0.3:
            raise ServerError("HTTP 503", operation=operation.name, status=503)
        body = list(reply.body)
        self._rng.shuffle(body)
        place = self._rng.randrange(len(body) + 1)
        body[place:place] = self._rng.choice([[(None, None)], [({}, None)], body[:2], [(-100, None)]])
        return reply._replace(body=body[: self._rng.randint(0, len(body))] if self._rng.random() < 0.3 else body)


async def outcome_of(numbers: Numbers, wish: dict[str, Any]) -> Any:
    """What one caller gets."""
    await asyncio.sleep(wish["comes"])
    options = {name: wish[name] for name in ("priority", "max_wait", "deadline")}
    with call_options(**options):
        call = asyncio.ensure_future(numbers.get(wish["number"]))
    if wish["leaves"] is not None:
        asyncio.get_running_loop().call_later(wish["leaves"], call.cancel)
    try:
        return await call
    except (SPAPIError, asyncio.CancelledError) as error:
        return error


@pytest.mark.parametrize("single", [False, True])
def test_a_caller_may_leave_at_any_step(single: bool) -> None:
    """It may leave between the sending of its request and its start; others wait for it too."""

    async def job(steps: int) -> None:
        shared = resources()
        seller = NumbersSeller(bad=[4], latency=0.0)
        numbers = Numbers(seller, rule=numbers_rule(single=single, burst=20, rate=20), shared=shared)
        leaving, bad = (asyncio.ensure_future(numbers.get(number)) for number in (2, 4))
        while steps >= 0 and not seller.sent:
            await asyncio.sleep(0.001)
        for _ in range(abs(steps)):
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(leaving.cancel)
        async with asyncio.timeout(60):
            with pytest.raises(BadRequestError):
                await bad
        await asyncio.sleep(1)
        assert all(each.idle for desk in shared.shared.values() for each in desk.here().values())
        assert len(asyncio.all_tasks()) == 1

    for steps in range(-3, 30):
        run(job(steps))


def check(outcome: Any, wish: dict[str, Any], *, bad: set[int], may_lose: bool) -> None:
    """A caller gets its own answer, an error about its number, or the cancellation that it asked for."""
    number = wish["number"]
    if isinstance(outcome, asyncio.CancelledError):
        assert wish["leaves"] is not None
    elif isinstance(outcome, NotFoundError):
        assert number % 2 or may_lose
    elif not isinstance(outcome, SPAPIError):
        assert outcome == number * 10
    if isinstance(outcome, BadRequestError) and not isinstance(outcome, NotFoundError):
        assert number in bad


@settings(max_examples=150, deadline=None)
@given(
    callers=st.lists(CALLER, min_size=1, max_size=60),
    bad=st.sets(st.integers(0, 40), max_size=3),
    busy=st.dictionaries(st.integers(0, 40), st.integers(1, 7), max_size=3),
    sellers=st.integers(1, 3),
    trouble=st.sampled_from([0.0, 0.3, 0.9]),
    answers_all=st.booleans(),
    seed=st.integers(0, 9),
)
def test_every_caller_gets_its_own_answer_or_an_error_of_the_library(
    *,
    callers: Sequence[dict[str, Any]],
    bad: set[int],
    busy: dict[int, int],
    sellers: int,
    trouble: float,
    answers_all: bool,
    seed: int,
) -> None:
    """It does so within minutes, and no task or call is left afterwards."""

    async def job() -> None:
        shared = resources()
        names = ("one", "two", "three")[:sellers]
        made = [Unreliable(seed, trouble, bad=tuple(bad), busy=busy, name=name) for name in names]
        rule = numbers_rule()
        numbers = Numbers(*made, rule=msgspec.structs.replace(rule, answers_all=answers_all), shared=shared)
        async with asyncio.timeout(600):
            outcomes = await asyncio.gather(*(outcome_of(numbers, wish) for wish in callers))
        for wish, outcome in zip(callers, outcomes, strict=True):
            # a search that loses an entry cannot be recognised
            check(outcome, wish, bad=bad, may_lose=bool(trouble and not answers_all))
        await asyncio.sleep(60)
        assert len(asyncio.all_tasks()) == 1
        batchers = [each for desk in shared.shared.values() for each in desk.here().values()]
        assert all(isinstance(each, Batcher) and each.idle for each in batchers)

    run(job())
