"""All waits for jobs of one seller share one poller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from fake_jobs import REQUEST, FakeAmazon
from insides import collect_silently
from virtual_time import VirtualTimeLoop, virtual_time

from spapi_async import call_options
from spapi_async._core.options import current_options
from spapi_async.errors import DecodeError, ForbiddenError, LWAError, NotFoundError, ServerError
from spapi_async.workflows.runs import Job
from spapi_async.workflows.runs._poller import Poller

OUTAGES = [("temporarily_unavailable", 503), ("server_error", 400), ("invalid_response", 502), ("slow_down", 429)]


def poller_of(amazon: FakeAmazon) -> Poller:
    return Poller(amazon, amazon.clock)


async def watch(poller: Poller, job_id: str, age: float = 0.0) -> float:
    """Wait for a job, and return the time at which its end is known."""
    await poller.final(job_id, REQUEST, age=age)
    return asyncio.get_running_loop().time()


@virtual_time
async def test_the_end_is_known_at_most_a_quarter_late() -> None:
    """An hour costs dozens of requests, not hundreds."""
    amazon = FakeAmazon(takes=3600.0)
    known_at = await watch(poller_of(amazon), amazon.make())
    assert 3600 <= known_at <= 3660
    assert len(amazon.asked) < 90


@virtual_time
async def test_two_waits_for_one_job_poll_once() -> None:
    """Both get the result."""
    amazon = FakeAmazon(takes=10.0)
    poller, job_id = poller_of(amazon), amazon.make()
    await asyncio.gather(watch(poller, job_id), watch(poller, job_id))
    times = [at for at, _ in amazon.asked]
    assert len(times) == len(set(times))


@virtual_time
async def test_sixty_runs_together_keep_to_the_plan() -> None:
    """GetReport is called no more than twice a second beyond its burst."""
    amazon = FakeAmazon(takes=600.0)
    poller = poller_of(amazon)
    await asyncio.gather(*[watch(poller, amazon.make()) for _ in range(60)])
    assert not amazon.listed
    assert len(amazon.asked) <= 2.0 * 700 + 15


@virtual_time
async def test_a_hundred_and_fifty_runs_are_polled_by_one_list() -> None:
    """Each round is one call, and no run is forgotten."""
    amazon = FakeAmazon(takes=600.0)
    poller = poller_of(amazon)
    known_at = await asyncio.gather(*[watch(poller, amazon.make()) for _ in range(150)])
    assert max(known_at) < 800
    assert len(amazon.listed) > 3
    assert len(amazon.asked) == 0


@virtual_time
async def test_a_run_that_no_list_shows_is_asked_about_by_itself() -> None:
    """Amazon may not know it, or list it under a time before the one that is asked for, as our clock has it."""
    amazon = FakeAmazon(takes=3600.0)
    poller = poller_of(amazon)
    others = [asyncio.create_task(watch(poller, amazon.make())) for _ in range(150)]
    with pytest.raises(NotFoundError):
        await watch(poller, "unknown")
    unknown_at = asyncio.get_running_loop().time()
    assert 900 < unknown_at < 2400
    assert len(amazon.asked) <= 10 * len(amazon.listed)
    assert max(await asyncio.gather(*others)) < 3800


@virtual_time
async def test_a_notification_wakes_its_run() -> None:
    """Amazon is polled at once, and only about that run."""
    amazon = FakeAmazon(takes=100.0)
    poller, one, other = poller_of(amazon), amazon.make(), amazon.make()
    with poller.notified():
        waiting = [asyncio.create_task(watch(poller, job_id)) for job_id in (one, other)]
        await asyncio.sleep(100.0)
        amazon.asked.clear()
        poller.wake(one)
        poller.wake("of nobody")
        assert await waiting[0] == pytest.approx(100.0, abs=0.1)
        assert [job_id for _, job_id in amazon.asked] == [one]
        await waiting[1]


@virtual_time
async def test_when_notifications_end_the_pace_is_the_usual_one_at_once() -> None:
    """The source ended in the middle of a long pause that relied on it."""
    amazon = FakeAmazon(takes=390.0)
    poller = poller_of(amazon)
    with poller.notified():
        waiting = asyncio.create_task(watch(poller, amazon.make()))
        await asyncio.sleep(395.0)
        assert poller.next_in("1") == pytest.approx(480.0 - 395.0, abs=1)
    assert await waiting == pytest.approx(395.0, abs=0.1)


@virtual_time
async def test_a_job_announced_before_the_wait_is_polled_at_once() -> None:
    """A notification may be quicker than the reply to the request."""
    amazon = FakeAmazon(takes=0.0)
    with (poller := Poller(amazon, amazon.clock, {("report", "1"): None})).notified():
        assert await watch(poller, amazon.make()) < 0.1
        assert await watch(poller, amazon.make()) >= 0.5  # this one was not announced


@virtual_time
async def test_an_outage_of_minutes_ends_no_wait() -> None:
    """After ten failures the report is there."""
    amazon = FakeAmazon(takes=60.0)
    amazon.trouble = [ServerError("503", status=503)] * 10
    assert await watch(poller_of(amazon), amazon.make()) < 120


@virtual_time
async def test_failures_count_from_the_first_in_a_row() -> None:
    """Two short outages, half an hour apart, are not one long one."""
    amazon = FakeAmazon(takes=3600.0)
    poller, job_id = poller_of(amazon), amazon.make()
    waiting = asyncio.create_task(watch(poller, job_id))
    for _ in range(2):
        amazon.trouble = [ServerError("503", status=503)]
        await asyncio.sleep(1000)
    await waiting


@virtual_time
async def test_failed_lists_count_from_the_first_in_a_row() -> None:
    """Single requests do the same."""
    amazon = FakeAmazon(takes=3000.0)
    poller = poller_of(amazon)
    waiting = [asyncio.create_task(watch(poller, amazon.make())) for _ in range(120)]
    for _ in range(2):
        amazon.trouble = [ServerError("503", status=503)]
        await asyncio.sleep(1000)
    await asyncio.gather(*waiting)


@virtual_time
async def test_an_outage_of_a_quarter_of_an_hour_ends_the_wait() -> None:
    """The wait raises its error."""
    amazon = FakeAmazon(takes=60.0)
    amazon.trouble = [ServerError("503", status=503)] * 10_000
    with pytest.raises(ServerError):
        await watch(poller_of(amazon), amazon.make())
    assert 900 <= asyncio.get_running_loop().time() < 1100


@virtual_time
async def test_an_outage_of_login_with_amazon_passes() -> None:
    """Its 503 is an answer, too, but says nothing about the seller's grant; a refused grant ends the wait."""
    amazon = FakeAmazon(takes=60.0)
    poller = poller_of(amazon)
    amazon.trouble = [LWAError("later", code=code, status=status) for code, status in OUTAGES]
    assert 60 <= await watch(poller, amazon.make()) < 80
    amazon.trouble = [LWAError("revoked", code="invalid_grant", status=400)]
    with pytest.raises(LWAError, match="revoked"):
        await watch(poller, amazon.make())


@virtual_time
async def test_a_refusal_ends_the_wait_at_once() -> None:
    """Polling again would not help."""
    amazon = FakeAmazon()
    amazon.trouble = [ForbiddenError("no", status=403)]
    with pytest.raises(ForbiddenError):
        await watch(poller_of(amazon), amazon.make())


@virtual_time
async def test_a_404_of_a_young_job_is_polled_again() -> None:
    """After the job's first minute a 404 is an answer."""
    amazon = FakeAmazon(takes=5.0)
    poller = poller_of(amazon)
    amazon.trouble = [NotFoundError("not yet", status=404)]
    await watch(poller, amazon.make())
    amazon.trouble = [NotFoundError("gone", status=404)]
    with pytest.raises(NotFoundError):
        await watch(poller, amazon.make(), age=90.0)


@virtual_time
async def test_a_cancelled_wait_ends_the_polling() -> None:
    """It does not affect other waits."""
    amazon = FakeAmazon(takes=100.0)
    poller = poller_of(amazon)
    stays = asyncio.create_task(watch(poller, amazon.make()))
    leaves = asyncio.create_task(watch(poller, amazon.make()))
    await asyncio.sleep(10)
    leaves.cancel()
    await asyncio.sleep(0)
    assert repr(poller) == "<Poller report waiting=1>"
    assert await stays < 130
    asked = len(amazon.asked)
    await asyncio.sleep(1000)
    assert len(amazon.asked) == asked
    assert repr(poller) == "<Poller report waiting=0>"


@virtual_time
async def test_an_old_job_is_polled_at_once() -> None:
    """A restarted process does not wait a quarter of the job's age."""
    amazon = FakeAmazon(takes=60.0)
    job_id = amazon.make(age=3000.0)
    assert await watch(poller_of(amazon), job_id, age=3000.0) == pytest.approx(0.0, abs=0.1)


@virtual_time
async def test_the_call_options_of_the_first_wait_do_not_apply_to_others() -> None:
    """A short deadline must not end the polling on which other waits rely."""
    amazon = FakeAmazon(takes=60.0)
    seen = []
    asking = amazon.get

    async def get(job_id: str) -> object:
        seen.append(current_options().deadline)
        return await asking(job_id)

    amazon.get = get  # type: ignore[method-assign, assignment]
    with call_options(deadline=5.0):
        await watch(poller_of(amazon), amazon.make())
    assert set(seen) == {None}


def test_a_poller_serves_the_next_loop_too() -> None:
    """It does not wait for the task of a loop that has ended."""
    amazon = FakeAmazon(takes=0.0)
    poller = poller_of(amazon)

    @virtual_time
    async def once() -> None:
        amazon.takes = 0.0
        await watch(poller, amazon.make())
        assert repr(poller) == "<Poller report waiting=0>"

    async def abandoned() -> set[asyncio.Task[object]]:
        amazon.takes = 1e9
        waiting = asyncio.create_task(watch(poller, amazon.make()))
        await asyncio.sleep(5)
        return {waiting, *asyncio.all_tasks()} - {asyncio.current_task()}

    loop = VirtualTimeLoop()
    left = loop.run_until_complete(abandoned())
    loop.close()  # without ending the waits
    once()
    for task in left:
        assert not task.done()
        collect_silently(task)


@virtual_time
async def test_a_failure_inside_the_poller_is_raised_to_every_wait() -> None:
    """None waits for ever."""
    amazon = FakeAmazon()

    def broken(requests: object) -> int:
        raise LookupError("a bug")

    amazon.lists = broken  # type: ignore[method-assign]
    with pytest.raises(LookupError):
        await watch(poller_of(amazon), amazon.make())


@virtual_time
async def test_a_cancelled_wait_does_not_end_the_others() -> None:
    """The job is polled at the same pace, until no wait is left."""
    amazon = FakeAmazon(takes=100.0)
    poller, job_id = poller_of(amazon), amazon.make()
    patient, gone = [asyncio.create_task(watch(poller, job_id)) for _ in range(2)]
    await asyncio.sleep(50)
    gone.cancel()
    await asyncio.sleep(0)
    assert poller.next_in(job_id) is not None
    assert await patient <= 130
    assert poller.next_in(job_id) is None


class SlowAmazon(FakeAmazon):
    """A simulated Amazon whose answers come when the test allows it."""

    def __init__(self) -> None:
        super().__init__(takes=0.0)
        self.answers = asyncio.Event()

    async def get(self, job_id: str) -> Job:
        found = await super().get(job_id)
        await self.answers.wait()
        return found


@virtual_time
async def test_a_wait_that_begins_during_a_poll_gets_the_result() -> None:
    """The poll belonged to a wait that was cancelled, and its answer does not end others."""
    amazon = SlowAmazon()
    poller, job_id = poller_of(amazon), amazon.make()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await watch(poller, job_id, age=5)
    waiting = asyncio.create_task(watch(poller, job_id, age=15))
    await asyncio.sleep(1)
    amazon.answers.set()
    async with asyncio.timeout(60):
        await waiting


class LateAmazon(FakeAmazon):
    """A simulated Amazon whose replies are ten seconds old when they arrive."""

    async def get(self, job_id: str) -> Job:
        found = await super().get(job_id)
        await asyncio.sleep(10)
        return found

    async def jobs(
        self, requests: Sequence[Mapping[str, Any]], since: datetime, *, ended: bool = False
    ) -> Sequence[Job]:
        found = await super().jobs(requests, since, ended=ended)
        await asyncio.sleep(10)
        return found


@virtual_time
@pytest.mark.parametrize(("runs", "first_poll"), [(1, 30.0), (120, 45.0)])
async def test_a_notification_during_a_poll_causes_another_poll(runs: int, first_poll: float) -> None:
    """The reply under way does not show the end yet, and without a notification the next poll would be much later."""
    amazon = LateAmazon(takes=first_poll + 4)
    poller = poller_of(amazon)
    with poller.notified():
        waiting = [asyncio.create_task(watch(poller, amazon.make())) for _ in range(runs)]
        await asyncio.sleep(first_poll + 5)
        poller.wake("1")
        known_at = await asyncio.gather(*waiting)
    assert known_at[0] == pytest.approx(first_poll + 20, abs=1)


@virtual_time
async def test_polls_that_have_not_been_sent_end_with_their_waits() -> None:
    """Many jobs are due together, four are polled at a time, and the callers leave meanwhile: no quota is spent."""
    amazon = LateAmazon(takes=1000.0)
    poller = poller_of(amazon)
    waiting = [asyncio.create_task(watch(poller, amazon.make(), age=5)) for _ in range(40)]
    await asyncio.sleep(5)
    asked = len(amazon.asked)
    for each in waiting[1:]:
        each.cancel()
    await asyncio.sleep(12)
    assert {job_id for _, job_id in amazon.asked[asked:]} <= {"1"}
    waiting[0].cancel()


@virtual_time
async def test_a_wait_that_begins_as_another_one_ends_is_not_lost() -> None:
    """It begins after the last reply, and before the other caller has seen it."""
    amazon = FakeAmazon(takes=0.0)
    poller, job_id = poller_of(amazon), amazon.make()
    late: list[asyncio.Task[float]] = []
    asking = amazon.get

    async def get(job_id: str) -> Job:
        found = await asking(job_id)
        if not late:
            late.append(asyncio.create_task(watch(poller, job_id, age=5)))
        return found

    amazon.get = get  # type: ignore[method-assign]
    async with asyncio.timeout(60):
        await watch(poller, job_id, age=5)
        await late[0]


@virtual_time
async def test_a_wait_that_is_cancelled_as_the_reply_comes_does_not_affect_others() -> None:
    """The cancelled caller has not run yet when the result is handed out."""
    amazon = FakeAmazon(takes=0.0)
    poller, job_id = poller_of(amazon), amazon.make()
    cancelled, other = [asyncio.create_task(watch(poller, job_id, age=5)) for _ in range(2)]
    asking = amazon.get

    async def get(job_id: str) -> Job:
        found = await asking(job_id)
        cancelled.cancel()
        return found

    amazon.get = get  # type: ignore[method-assign]
    async with asyncio.timeout(60):
        await other
    assert cancelled.cancelled()


@virtual_time
async def test_unreadable_replies_count_only_in_a_row() -> None:
    """Three of them, far apart, end no wait."""
    amazon = FakeAmazon(takes=3600.0)
    waiting = asyncio.create_task(watch(poller_of(amazon), amazon.make()))
    for _ in range(4):
        amazon.trouble = [DecodeError("not a report")]
        await asyncio.sleep(600)
    await waiting


@virtual_time
async def test_lists_include_jobs_that_seem_older_than_their_requests() -> None:
    """Amazon's clock may be half a minute behind this one."""
    amazon = FakeAmazon(takes=100.0)
    poller = poller_of(amazon)
    known_at = await asyncio.gather(*[watch(poller, amazon.make(age=30.0)) for _ in range(150)])
    assert max(known_at) < 200
    assert not amazon.asked
