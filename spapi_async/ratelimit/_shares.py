"""Which priority is served next when calls of several priorities wait, and how many calls come before. Pure.

The highest priority with waiting calls is served, except that a priority that was passed over ``MOST_PASSES`` times
goes next. So each priority gets at least one token in ten, while a single call of a higher priority gets the next
token, however long the queues of lower priorities are.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

__all__ = ["MOST_PASSES", "PRIORITIES", "choose", "position", "serve"]

PRIORITIES = 3
"""INTERACTIVE, NORMAL, BULK."""

MOST_PASSES = 8
"""How often a priority is passed over before it goes next. If one other priority is higher, it gets one token in nine;
two lower priorities get one in ten each."""


def choose(waiting: Sequence[int], passed: Sequence[int]) -> int:
    """The priority whose turn it is, of those with ``waiting`` above zero; -1 if no call waits."""
    chosen = -1
    most = MOST_PASSES - 1
    for priority, number in enumerate(waiting):
        if not number:
            continue
        if chosen < 0:
            chosen = priority
        elif passed[priority] > most:
            chosen, most = priority, passed[priority]
    return chosen


def serve(waiting: Sequence[int], passed: MutableSequence[int]) -> int:
    """The priority whose turn it is; counts in ``passed`` the priorities that are passed over."""
    chosen = choose(waiting, passed)
    for priority, number in enumerate(waiting):
        if priority == chosen or not number:
            passed[priority] = 0
        elif priority > chosen:
            passed[priority] += 1
    return chosen


def position(waiting: Sequence[int], passed: Sequence[int], priority: int) -> int:
    """How many tokens go to others before a call that joins ``priority`` now, if no further calls come.

    Simulates the queue, but skips whole periods at once: the pattern repeats until a priority has no more calls.
    """
    left, turns = list(waiting), list(passed)
    left[priority] += 1
    served = 0
    while True:
        lines = sum(map(bool, left))
        period = MOST_PASSES + lines - 1 if lines > 1 else 1
        if sum(left) > 2 * period:
            trial, trial_turns = list(left), list(turns)
            for _ in range(period):
                trial[serve(trial, trial_turns)] -= 1
            if trial[priority]:
                served += period
                if trial_turns == turns:
                    served += period * _skip(left, trial)
                left, turns = trial, trial_turns
                continue
        chosen = serve(left, turns)
        if chosen == priority and left[priority] == 1:
            return served
        left[chosen] -= 1
        served += 1


def _skip(before: Sequence[int], after: list[int]) -> int:
    """Subtract one period from ``after`` as often as every priority allows; returns how often."""
    taken = [one - other for one, other in zip(before, after, strict=True)]
    periods = min((number - 1) // took for number, took in zip(after, taken, strict=True) if took)
    for priority, took in enumerate(taken):
        after[priority] -= took * max(periods, 0)
    return max(periods, 0)
