"""All who wait for jobs of one seller share one poller."""

from __future__ import annotations

import asyncio

import pytest
from fake_jobs import REQUEST, FakeAmazon
from insides import collect_silently
from virtual_time import VirtualTimeLoop, virtual_time

from spapi_async import call_options
from spapi_async._core.options import current_options
from spapi_async.errors import ForbiddenError, NotFoundError, ServerError
from spapi_async.workflows.runs import Job
from spapi_async.workflows.runs._poller import Poller


def poller_of(amazon: FakeAmazon) -> Poller:
    return Poller(amazon, amazon.clock)


async def watch(poller: Poller, job_id: str, age: float = 0.0) -> float:
    """Wait for a job; the time at which its end is known."""
    await poller.final(job_id, REQUEST, age=age)
    return asyncio.get_running_loop().time()


@virtual_time
async def test_the_end_is_known_at_most_a_quarter_late() -> None:
    """And an hour costs some dozens of questions, not hundreds."""
    amazon = FakeAmazon(takes=3600.0)
    known_at = await watch(poller_of(amazon), amazon.make())
    assert 3600 <= known_at <= 3660
    assert len(amazon.asked) < 90


@virtual_time
async def test_two_who_wait_for_one_job_ask_once() -> None:
    """Both hear of it."""
    amazon = FakeAmazon(takes=10.0)
    poller, job_id = poller_of(amazon), amazon.make()
    await asyncio.gather(watch(poller, job_id), watch(poller, job_id))
    times = [at for at, _ in amazon.asked]
    assert len(times) == len(set(times))


@virtual_time
async def test_sixty_runs_together_keep_to_the_plan() -> None:
    """GetReport is asked no more than twice a second beyond its burst."""
    amazon = FakeAmazon(takes=600.0)
    poller = poller_of(amazon)
    await asyncio.gather(*[watch(poller, amazon.make()) for _ in range(60)])
    assert not amazon.listed
    assert len(amazon.asked) <= 2.0 * 700 + 15


@virtual_time
async def test_a_hundred_and_fifty_runs_are_asked_about_in_one_list() -> None:
    """Each round is one call, and nobody is forgotten."""
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
async def test_a_notification_wakes_the_run_it_speaks_of() -> None:
    """Amazon is asked at once, and about that run alone."""
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
async def test_without_notifications_the_pace_is_the_usual_one_at_once() -> None:
    """The source ended in the middle of a long pause, which was chosen because it would tell."""
    amazon = FakeAmazon(takes=390.0)
    poller = poller_of(amazon)
    with poller.notified():
        waiting = asyncio.create_task(watch(poller, amazon.make()))
        await asyncio.sleep(395.0)
        assert poller.next_in("1") == pytest.approx(480.0 - 395.0, abs=1)
    assert await waiting == pytest.approx(395.0, abs=0.1)


@virtual_time
async def test_a_job_that_was_announced_before_anybody_waits_is_asked_about_at_once() -> None:
    """A notification may be quicker than the reply to the request."""
    amazon = FakeAmazon(takes=0.0)
    with (poller := Poller(amazon, amazon.clock, {("report", "1"): None})).notified():
        assert await watch(poller, amazon.make()) < 0.1
        assert await watch(poller, amazon.make()) >= 0.5  # nobody has said anything of this one


@virtual_time
async def test_a_network_that_is_gone_for_minutes_ends_no_wait() -> None:
    """Ten failures later the report is there."""
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
    """As single questions do."""
    amazon = FakeAmazon(takes=3000.0)
    poller = poller_of(amazon)
    waiting = [asyncio.create_task(watch(poller, amazon.make())) for _ in range(120)]
    for _ in range(2):
        amazon.trouble = [ServerError("503", status=503)]
        await asyncio.sleep(1000)
    await asyncio.gather(*waiting)


@virtual_time
async def test_a_network_that_stays_away_ends_the_wait() -> None:
    """After a quarter of an hour whoever waits hears why."""
    amazon = FakeAmazon(takes=60.0)
    amazon.trouble = [ServerError("503", status=503)] * 10_000
    with pytest.raises(ServerError):
        await watch(poller_of(amazon), amazon.make())
    assert 900 <= asyncio.get_running_loop().time() < 1100


@virtual_time
async def test_a_refusal_ends_the_wait_at_once() -> None:
    """Asking again would not help."""
    amazon = FakeAmazon()
    amazon.trouble = [ForbiddenError("no", status=403)]
    with pytest.raises(ForbiddenError):
        await watch(poller_of(amazon), amazon.make())


@virtual_time
async def test_a_job_that_amazon_does_not_know_yet_is_asked_about_again() -> None:
    """Within its first minute; after that a 404 is an answer."""
    amazon = FakeAmazon(takes=5.0)
    poller = poller_of(amazon)
    amazon.trouble = [NotFoundError("not yet", status=404)]
    await watch(poller, amazon.make())
    amazon.trouble = [NotFoundError("gone", status=404)]
    with pytest.raises(NotFoundError):
        await watch(poller, amazon.make(), age=90.0)


@virtual_time
async def test_nobody_waits_and_nobody_is_asked() -> None:
    """A wait that is given up ends the questions, and takes no other wait with it."""
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
async def test_what_was_asked_for_long_ago_is_asked_about_at_once() -> None:
    """A process that was killed picks its report up without waiting a quarter of its age."""
    amazon = FakeAmazon(takes=60.0)
    job_id = amazon.make(age=3000.0)
    assert await watch(poller_of(amazon), job_id, age=3000.0) == pytest.approx(0.0, abs=0.1)


@virtual_time
async def test_the_first_to_wait_does_not_lend_its_options_to_the_rest() -> None:
    """Its deadline of seconds must not end the questions that others rely on."""
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
    """The task of a loop that has ended is not waited for."""
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
    loop.close()  # without a word to whoever waits
    once()
    for task in left:
        assert not task.done()
        collect_silently(task)


@virtual_time
async def test_a_failure_inside_the_poller_leaves_nobody_waiting() -> None:
    """Whoever waits gets it as an error."""
    amazon = FakeAmazon()

    def broken(requests: object) -> int:
        raise LookupError("a bug")

    amazon.lists = broken  # type: ignore[method-assign]
    with pytest.raises(LookupError):
        await watch(poller_of(amazon), amazon.make())


@virtual_time
async def test_one_who_gives_up_leaves_the_job_to_the_others() -> None:
    """It goes on being asked about at the same pace, and once nobody waits it is not."""
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
    """Whose answers come when the test lets them."""

    def __init__(self) -> None:
        super().__init__(takes=0.0)
        self.answers = asyncio.Event()

    async def get(self, job_id: str) -> Job:
        found = await super().get(job_id)
        await self.answers.wait()
        return found


@virtual_time
async def test_who_waits_again_while_an_answer_is_on_its_way_hears_of_the_end() -> None:
    """The answer was to a question for somebody who has gone; it dismisses nobody else."""
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
