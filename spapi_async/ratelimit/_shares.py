"""Who is served next when calls of several priorities wait, and how many go first. Pure.

The highest priority with somebody waiting is served, except that a class which was passed over ``PATIENCE`` times goes
next. So a lower class is sure of at least one token in ten and nothing starves, while a call of a higher class that
comes alone gets the very next token however long the queues below it are.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

__all__ = ["PATIENCE", "PRIORITIES", "choose", "position", "serve"]

PRIORITIES = 3
"""INTERACTIVE, NORMAL, BULK."""

PATIENCE = 8
"""One token in nine for a class that waits below one other, one in ten for each of two."""


def choose(waiting: Sequence[int], passed: Sequence[int]) -> int:
    """The class whose turn it is, of those with ``waiting`` above zero; -1 when nobody waits."""
    chosen = -1
    most = PATIENCE - 1
    for priority, number in enumerate(waiting):
        if not number:
            continue
        if chosen < 0:
            chosen = priority
        elif passed[priority] > most:
            chosen, most = priority, passed[priority]
    return chosen


def serve(waiting: Sequence[int], passed: MutableSequence[int]) -> int:
    """The class whose turn it is, and count in ``passed`` whom that passes over."""
    chosen = choose(waiting, passed)
    for priority, number in enumerate(waiting):
        if priority == chosen or not number:
            passed[priority] = 0
        elif priority > chosen:
            passed[priority] += 1
    return chosen


def position(waiting: Sequence[int], passed: Sequence[int], priority: int) -> int:
    """How many tokens go to others before a call that joins ``priority`` now, if nobody else comes.

    Plays the queue forward, but skips whole periods at once: the pattern repeats while no class runs dry.
    """
    left, turns = list(waiting), list(passed)
    left[priority] += 1
    served = 0
    while True:
        lines = sum(map(bool, left))
        period = PATIENCE + lines - 1 if lines > 1 else 1
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
    """Take from ``after``, as often as every class can give it, what one period took; how often."""
    taken = [one - other for one, other in zip(before, after, strict=True)]
    periods = min((number - 1) // took for number, took in zip(after, taken, strict=True) if took)
    for priority, took in enumerate(taken):
        after[priority] -= took * max(periods, 0)
    return max(periods, 0)
