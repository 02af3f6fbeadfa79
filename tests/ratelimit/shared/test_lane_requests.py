"""What one process requests from the store, and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
from one_process import LEASED, NOW, Process

from spapi_async._core.options import Priority
from spapi_async.ratelimit.shared._exchange import Need
from spapi_async.ratelimit.shared._store import LimitSpec

INTERACTIVE = Priority.INTERACTIVE


@pytest.fixture
def busy() -> Iterator[Callable[..., Process]]:
    """Makes a process that has a reply of these facts and has just made forty calls, at a limit of fifty a second."""
    process = Process(LimitSpec(kind="plan", rate=50.0, burst=50))

    def made(**facts: int) -> Process:
        process.exchange(**facts)
        for _ in range(40):
            process.lane.take()
        return process

    yield made
    process.loop.close()


# ---- which calls cause a request ------------------------------------------------------------------------------------


def test_the_first_call_asks_at_once(process: Process) -> None:
    """The second waits for the time that the store named."""
    process.exchange(poll=3.0)
    process.wait()
    assert process.lane.wants_exchange()
    process.exchange(poll=3.0)
    process.wait()
    assert not process.lane.wants_exchange()
    process.now += 3.0
    assert process.lane.wants_exchange()


def test_the_first_call_waits_for_its_turn_while_other_processes_wait(process: Process) -> None:
    """A call that came when the time of the turn was over is news for the request under way."""
    process.exchange(poll=3.0, crowded=1)
    gone = process.wait()
    assert not process.lane.wants_exchange()
    process.lane.abandon(gone)
    process.now += 3.0
    process.lane.request()
    process.wait()
    process.lane.absorb(process.reply(poll=3.0, crowded=1))
    assert process.lane.wants_exchange()


def test_a_call_with_max_wait_asks_even_if_other_processes_wait(process: Process) -> None:
    """It is to be accepted or refused."""
    process.exchange(poll=3.0, crowded=1)
    process.wait(max_wait=20.0)
    assert process.lane.wants_exchange()


def test_a_call_with_max_wait_asks_while_other_calls_have_tokens(process: Process) -> None:
    """Also when its request is lost."""
    process.wait()
    process.exchange((2.0, False))
    process.wait(max_wait=20.0)
    assert process.lane.wants_exchange()
    process.lane.request()
    process.lane.lost()
    assert process.lane.wants_exchange()


def test_a_call_for_which_a_token_is_in_stock_asks_nothing(process: Process) -> None:
    """Not even if it is the first."""
    process.exchange((0.5, True))
    process.wait()
    assert process.lane.exchange.needs == Need.NONE


@pytest.mark.parametrize(("delay", "hurries"), [(0.04, 1), (0.06, 0)])
def test_an_urgent_call_asks_unless_a_token_is_usable_soon_enough(process: Process, delay: float, hurries: int) -> None:
    """Each urgent call needs one."""
    process.exchange((delay, True))
    for _ in range(hurries):
        process.wait(priority=INTERACTIVE)
        assert not process.lane.wants_exchange()
    process.wait(priority=INTERACTIVE)
    assert process.lane.wants_exchange()


def test_an_urgent_call_requests_a_token_although_one_comes_later(process: Process) -> None:
    """The one in stock remains for the call for which it was requested."""
    process.wait()
    process.exchange((1.0, False))
    process.wait(priority=INTERACTIVE)
    assert process.lane.request().waiting == (1, 1, 0)


def test_tokens_are_requested_half_a_lease_before_the_last_in_stock_is_usable(process: Process) -> None:
    """The token of a slow operation is requested only when it is nearly due."""
    for _ in range(3):
        process.wait()
    process.exchange((2.0, False), (4.0, False))
    process.now += 3.4
    assert not process.lane.wants_exchange()
    assert process.lane.due() == pytest.approx(process.now)
    process.now += 0.2
    assert process.lane.wants_exchange()


def test_a_guess_is_corrected_when_all_requests_are_answered(process: Process) -> None:
    """The first tokens were granted by a guess of how late requests arrive."""
    first, second = process.wait(), process.wait()
    process.exchange(NOW, NOW)
    process.now += 0.1
    process.lane.answered(first.future.result(), 200)
    assert not process.lane.wants_exchange()
    process.lane.answered(second.future.result(), 200)
    assert process.lane.wants_exchange()
    process.exchange()
    assert not process.lane.wants_exchange()


# ---- expected calls -------------------------------------------------------------------------------------------------


def test_tokens_are_leased_for_expected_calls_beyond_those_at_hand(busy: Callable[..., Process]) -> None:
    """Tokens in stock and waiting calls count."""
    process = busy()
    wish = process.lane.request().prefetch
    assert wish >= 40
    process.lane.absorb(process.reply((0.0, True), (0.5, True), (0.5, True)))
    assert process.lane.request().prefetch == wish - 3
    for _ in range(5):
        process.wait()
    request = process.lane.request()
    assert (request.waiting, request.prefetch) == ((0, 2, 0), wish - 5)


@pytest.mark.parametrize(("missing", "asks"), [(0, True), (1, False)])
def test_a_lease_is_renewed_when_a_quarter_is_left(busy: Callable[..., Process], missing: int, asks: bool) -> None:
    """With one more token, it is not yet."""
    process = busy()
    wish = process.lane.request().prefetch
    assert process.lane.wants_exchange() is False  # it was asked
    process.lane.absorb(process.reply(*[(0.5, True)] * (wish // 4 + missing)))
    assert process.lane.wants_exchange() is asks


@pytest.mark.parametrize(("crowded", "asks"), [(0, True), (1, False)])
def test_nothing_is_leased_while_calls_wait_elsewhere(busy: Callable[..., Process], crowded: int, asks: bool) -> None:
    """They need the tokens now."""
    process = busy(crowded=crowded)
    assert process.lane.wants_exchange() is asks


def test_the_store_learns_how_many_calls_will_come(busy: Callable[..., Process]) -> None:
    """Within eight leases: forty in the first second are taken for forty-five a second."""
    process = busy()
    rate = 40 / (4 * (1 - math.exp(-1 / 4)))
    assert process.lane.request().expected == int(8 * rate)


# ---- what a request states ------------------------------------------------------------------------------------------


def test_calls_of_a_kind_take_turns_by_themselves(process: Process) -> None:
    """Like another process. The plan's former key is given with the keys."""
    kin = process.another(kind="k", former=("old",))
    request = kin.request()
    assert (request.me, request.kind, request.former) == ("me/k", "k", 1)
    assert kin.keys == ("plan", "memory", "old")
    request = process.lane.request()
    assert (request.me, request.kind, request.former) == ("me", "", 0)


def test_a_lane_names_the_data_that_it_knows(process: Process) -> None:
    """A new lane names the data that another lane of the operation knows."""
    process.exchange(marker="old")
    other = process.another()
    assert other.request().known == "old"
    other.absorb(process.reply(marker="new"))
    assert process.lane.request().known == "old"
    assert process.another().request().known == "new"


def test_a_rate_that_another_process_learned_is_remembered(process: Process) -> None:
    """Should the store lose it."""
    reply = process.reply()
    reply.limits[0].announced, reply.limits[0].rate = 2.0, 1.5
    process.lane.request()
    process.lane.absorb(reply)
    request = process.lane.request()
    assert (process.lane.announced, request.known_announced, request.known_rate) == (2.0, 2.0, 1.5)


def test_all_requests_before_the_first_unused_token_are_answered(process: Process) -> None:
    """Its time is the one for which it was sold, even if the process is late."""
    process.wait()
    assert process.lane.request().clear == 0.0
    process.lane.absorb(process.reply((3.0, False)))
    assert process.lane.request().clear == 5100.0
    process.now += 4.0
    assert process.lane.request().clear == 5103.0


def test_all_requests_before_the_first_unanswered_one_are_answered(process: Process) -> None:
    """A leased token counts from when it was used."""
    process.exchange(LEASED)
    process.now += 0.5
    slot = process.lane.take()
    assert slot is not None
    process.now += 1.0
    assert process.lane.request().clear == 5100.5
    process.lane.answered(slot, 200)
    assert process.lane.request().clear == 5101.5


def test_the_time_of_the_last_reply_from_amazon_is_rounded_up(process: Process) -> None:
    """A store's reply that took two seconds leaves its clock uncertain by as much."""
    process.lane.request()
    process.now += 2.0
    process.lane.absorb(process.reply(LEASED))
    assert process.lane.request().landed == 0.0
    slot = process.lane.take()
    assert slot is not None
    process.lane.answered(slot, 200)
    assert process.lane.request().landed == 5000.0 + process.now + 2.0


# ---- timers ---------------------------------------------------------------------------------------------------------


def test_without_calls_and_tokens_no_timer_is_set(process: Process) -> None:
    """Only an event can change anything."""
    process.exchange()
    assert process.lane.due() is None


def test_a_timer_is_never_set_for_the_past(process: Process) -> None:
    """It would fire for ever without the clock advancing."""
    process.wait()
    due = process.lane.due()
    assert due is not None
    assert 0 < due - process.now < 0.001


def test_no_timer_to_ask_is_set_while_a_request_is_under_way(process: Process) -> None:
    """Its reply decides what is next."""
    process.exchange(LEASED)
    process.lane.take()
    process.wait()
    process.lane.exchange.submitted()
    assert process.lane.due() is None


def test_a_timer_is_set_for_the_end_of_a_lease(process: Process) -> None:
    """A second after its token became usable, or after the last call."""
    process.exchange((0.25, True), LEASED)
    process.now += 0.5
    assert process.lane.due() == 101.0
    assert process.lane.take() is not None
    assert process.lane.due() == 101.5
    process.now = 101.6
    process.lane.dispatch()
    (news,) = process.lane.request().feedback
    assert (news.used, news.back) == (1, 1)


def test_a_timer_is_set_to_report_the_use_of_a_lease(process: Process) -> None:
    """When the store would consider the lease lost, unless a request is under way."""
    process.exchange(LEASED)
    process.lane.take()
    assert process.lane.due() == process.now + 4.0
    process.lane.exchange.submitted()
    assert process.lane.due() is None


# ---- lanes that may be forgotten ------------------------------------------------------------------------------------


def test_a_lane_is_idle_when_nothing_depends_on_it(process: Process) -> None:
    """A request under way, a token, a call that waits or is under way, or feedback keeps it."""
    lane, seen = process.lane, []
    lane.exchange.submitted()
    seen.append(lane.idle)
    process.exchange(LEASED)
    seen.append(lane.idle)
    lane.take()
    seen.append(lane.idle)
    process.exchange()
    seen.append(lane.idle)
    lane.in_flight += 1
    seen.append(lane.idle)
    lane.in_flight -= 1
    caller = process.wait()
    seen.append(lane.idle)
    lane.abandon(caller)
    seen.append(lane.idle)
    assert seen == [False, False, False, True, False, False, True]
