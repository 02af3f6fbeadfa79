"""Changes of a shared rate: how they are reported, and who reminds a store that has lost them."""

from __future__ import annotations

import pytest
from one_process import Process

from spapi_async.ratelimit.shared._rates import owing_news, rate_change
from spapi_async.ratelimit.shared._settings import OperationView


def learn(process: Process, announced: float, rate: float) -> None:
    """A reply of the store states these rates of the plan."""
    reply = process.reply()
    reply.limits[0].announced, reply.limits[0].rate = announced, rate
    process.lane.request()
    process.lane.absorb(reply)


def test_each_change_of_a_rate_is_reported_once_with_its_reason(process: Process) -> None:
    """A recovery only when it is complete; the published rate of one call a second is where it begins."""
    shown: dict[str, tuple[float, float]] = {}
    assert rate_change(shown, process.lane) is None
    seen = []
    for announced, rate in ((1.0, 1.0), (1.0, 0.8), (1.0, 0.8), (1.0, 0.9), (1.0, 1.0), (2.0, 2.0), (0.5, 0.4)):
        learn(process, announced, rate)
        change = rate_change(shown, process.lane)
        seen.append(change and (change.old, change.new, change.reason))
    assert seen == [
        None,
        (1.0, 0.8, "throttled"),
        None,
        None,
        (0.8, 1.0, "recovery"),
        (1.0, 2.0, "header"),
        (2.0, 0.4, "header"),
    ]
    assert shown == {"plan": (0.5, 0.4)}


def test_lanes_remind_a_store_that_has_lost_its_data(process: Process) -> None:
    """When the first of them notices: those of the same operation without a request under way, and only once."""
    asked, other = process.another(), process.another(view=OperationView())
    lanes = [process.lane, process.another(), asked, other, process.another()]
    for lane in lanes[:-1]:
        lane.absorb(process.reply(marker="old"))
    asked.exchange.submitted()
    assert owing_news(process.lane, lanes) == []
    process.lane.absorb(process.reply(marker="new"))
    assert owing_news(process.lane, lanes) == [lanes[1]]
    process.lane.absorb(process.reply(marker="new"))
    assert owing_news(process.lane, lanes) == []


@pytest.mark.parametrize(("markers", "lost"), [(["a"], False), (["a", "a"], False), (["a", "b"], True)])
def test_a_store_has_lost_its_data_if_its_marker_changes(markers: list[str], lost: bool) -> None:
    """The first reply shows nothing."""
    view = OperationView()
    for processes, marker in enumerate(markers, 2):
        view.received(marker, processes)
    assert (view.lost, view.known, view.processes) == (lost, markers[-1], len(markers) + 1)
