"""A run is requested once, although replies are lost, refused or cancelled and processes killed."""

from __future__ import annotations

import asyncio

import pytest
from fake_jobs import REQUEST, FakeAmazon, LastingStore, runs_at
from virtual_time import virtual_time

from spapi_async import call_options
from spapi_async._core.journal import Stage
from spapi_async.errors import (
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    LWAError,
    OutcomeUnknownError,
    RateLimitWaitError,
    RequestTimeoutError,
    ServerError,
)
from spapi_async.workflows.runs import Job, Run, _steps
from spapi_async.workflows.runs._steps import claimed


@virtual_time
async def test_a_run_is_planned_sent_waited_for_and_closed() -> None:
    """Its entry shows each stage."""
    amazon = FakeAmazon()
    run = await runs_at(amazon).plan(REQUEST)
    assert (run.status, run.job_id, run.next_poll_in) == ("PLANNED", None, None)
    assert await run.requested() == "1"
    assert (run.entry.stage, run.status) == (Stage.WAITING, "IN_QUEUE")
    job = await run.finished()
    assert (job.status, job.document_id, run.status) == ("DONE", "document of 1", "DONE")
    await run.close()
    assert run.entry.stage is Stage.CLOSED


@virtual_time
async def test_an_unanswered_request_is_found_and_not_repeated() -> None:
    """Amazon acted, and the reply was lost."""
    amazon = FakeAmazon()
    amazon.fates = ["unanswered"]
    run = await runs_at(amazon).plan(REQUEST)
    assert await run.requested() == "1"
    assert (len(amazon.sent_at), len(amazon.listed)) == (1, 1)
    assert asyncio.get_running_loop().time() < 1  # the process that made the call knows that it is over


@virtual_time
async def test_an_unanswered_request_that_shows_late_is_waited_for() -> None:
    """Lists lag behind: it is looked for until it must be there."""
    amazon = FakeAmazon()
    amazon.fates, amazon.hidden_until = ["unanswered"], 20.0
    run = await runs_at(amazon).plan(REQUEST)
    assert await run.requested() == "1"
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_lost_request_is_repeated_once_it_is_settled() -> None:
    """It was looked for until no gateway can still work on it."""
    amazon = FakeAmazon()
    amazon.fates = ["lost"]
    run = await runs_at(amazon).plan(REQUEST)
    assert await run.requested() == "1"
    assert amazon.sent_at[1] - amazon.sent_at[0] >= _steps.SETTLED_SECONDS
    assert len(amazon.listed) < 8


@virtual_time
async def test_requests_that_are_lost_again_and_again_are_an_error() -> None:
    """After three of them the caller decides."""
    amazon = FakeAmazon()
    amazon.fates = ["lost"] * 9
    run = await runs_at(amazon).plan(REQUEST)
    with pytest.raises(OutcomeUnknownError):
        await run.requested()
    assert len(amazon.sent_at) == 3


@virtual_time
async def test_jobs_of_other_entries_and_of_before_are_not_adopted() -> None:
    """One belongs to another run, the other is from long before the attempt."""
    amazon = FakeAmazon()
    amazon.make(age=3600.0)
    runs = runs_at(amazon)
    assert await (await runs.plan(REQUEST)).requested() == "2"
    amazon.fates = ["unanswered"]
    assert await (await runs.plan(REQUEST)).requested() == "3"


@virtual_time
async def test_two_lost_requests_do_not_adopt_one_job() -> None:
    """Both look at the same moment, and each gets its own."""
    amazon = FakeAmazon()
    amazon.fates = ["unanswered", "unanswered"]
    runs = runs_at(amazon)
    one, other = await runs.plan(REQUEST), await runs.plan(REQUEST)
    assert sorted(await asyncio.gather(one.requested(), other.requested())) == ["1", "2"]
    assert len(amazon.sent_at) == 2


@virtual_time
async def test_of_two_jobs_with_options_none_is_adopted() -> None:
    """No list has their options; the error names both."""
    amazon = FakeAmazon(optional=True)
    amazon.make()
    amazon.fates = ["unanswered"]
    run = await runs_at(amazon).plan(REQUEST)
    with pytest.raises(OutcomeUnknownError, match="may be any of 1, 2"):
        await run.requested()


@virtual_time
async def test_a_single_job_after_the_attempt_is_the_lost_one() -> None:
    """It has no owner; its options do not matter."""
    amazon = FakeAmazon(optional=True)
    amazon.fates = ["unanswered"]
    assert await (await runs_at(amazon).plan(REQUEST)).requested() == "1"


@virtual_time
async def test_a_job_of_before_the_attempt_is_not_adopted() -> None:
    """Another application made it twenty seconds before: if it were adopted, our feed would never be sent."""
    amazon = FakeAmazon(optional=True)
    amazon.make(age=20.0)
    amazon.fates = ["lost"]
    with pytest.raises(
        OutcomeUnknownError, match="may be any of 1, created up to a minute before the request unless clocks differ"
    ):
        await (await runs_at(amazon).plan(REQUEST)).requested()
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_job_of_before_does_not_hide_the_lost_one() -> None:
    """There is one from before and one from after: the second is ours."""
    amazon = FakeAmazon(optional=True)
    amazon.make(age=20.0)
    amazon.fates = ["unanswered"]
    assert await (await runs_at(amazon).plan(REQUEST)).requested() == "2"
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_run_whose_job_is_known_does_not_hold_up_the_search() -> None:
    """Its job is not looked for any more, so the only other one belongs to the lost request."""
    amazon = FakeAmazon(optional=True)
    runs = runs_at(amazon)
    assert await (await runs.plan(REQUEST)).requested() == "1"
    amazon.fates = ["unanswered"]
    assert await (await runs.plan({**REQUEST, "options": "other"})).requested() == "2"
    assert amazon.clock.monotonic() < 10


@virtual_time
async def test_a_job_that_may_belong_to_another_run_is_not_adopted() -> None:
    """A request with other options has acted and its reply is on the way."""
    amazon = FakeAmazon(optional=True)
    amazon.fates = ["lost", "ok"]
    making = amazon.create

    async def slowly(request: dict[str, object]) -> str:
        job_id = await making(request)
        await asyncio.sleep(4.0)
        return job_id

    amazon.create = slowly  # type: ignore[method-assign, assignment]
    runs = runs_at(amazon, LastingStore(amazon.clock))
    lost, other = await runs.plan(REQUEST), await runs.plan({**REQUEST, "options": "other"})
    first = asyncio.create_task(lost.requested())
    await asyncio.sleep(0.05)
    assert await other.requested() == "1"
    assert await first == "2"


@virtual_time
async def test_two_lost_requests_that_fit_one_job_are_an_error() -> None:
    """Handing out the wrong one would be worse."""
    amazon = FakeAmazon(optional=True)
    amazon.fates = ["lost", "unanswered"]
    runs = runs_at(amazon, LastingStore(amazon.clock))
    both = [await runs.plan(REQUEST), await runs.plan({**REQUEST, "options": "other"})]
    results = await asyncio.gather(*[run.requested() for run in both], return_exceptions=True)
    assert [type(each) for each in results] == [OutcomeUnknownError, OutcomeUnknownError]
    assert len(amazon.sent_at) == 2


@virtual_time
async def test_of_equal_jobs_any_is_adopted() -> None:
    """Without options a report of another application has the same content."""
    amazon = FakeAmazon()
    amazon.make()
    amazon.fates = ["unanswered"]
    assert await (await runs_at(amazon).plan(REQUEST)).requested() == "1"


@pytest.mark.parametrize("error", [BadRequestError("no", status=400), ConnectionFailedError("no route")])
def test_a_refused_request_leaves_nothing_to_look_up(error: Exception) -> None:
    """The caller gets the error, the entry is as before, and the next attempt sends at once."""

    @virtual_time
    async def refused() -> None:
        amazon = FakeAmazon()
        amazon.fates = [error]
        run = await runs_at(amazon, LastingStore(amazon.clock)).plan(REQUEST)
        with pytest.raises(type(error)):
            await run.requested()
        assert run.entry.stage is Stage.PLANNED
        assert await run.requested() == "1"
        assert not amazon.listed

    refused()


@virtual_time
async def test_a_journal_finds_the_same_request_while_it_is_open() -> None:
    """A restarted process waits for the same report; once it was read, the next one is new."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    await (await runs_at(amazon, store).plan(REQUEST)).requested()
    again = await runs_at(amazon, store).plan(REQUEST)
    assert (await again.finished()).id == "1"
    await again.close()
    assert await (await runs_at(amazon, store).plan(REQUEST)).requested() == "2"


@virtual_time
async def test_without_a_journal_two_requests_are_two() -> None:
    """A caller that requests twice in one process means it."""
    amazon = FakeAmazon()
    runs = runs_at(amazon)
    await (await runs.plan(REQUEST)).requested()
    assert await (await runs.plan(REQUEST)).requested() == "2"


@virtual_time
async def test_a_process_killed_before_it_sent_anything_is_followed_by_one_that_sends() -> None:
    """A planned entry is not looked up."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    await runs_at(amazon, store).plan(REQUEST)
    await (await runs_at(amazon, store).plan(REQUEST)).requested()
    assert (amazon.sent_at, amazon.listed) == ([0.0], [])


@virtual_time
async def test_a_process_killed_while_it_sent_is_followed_by_one_that_looks() -> None:
    """Amazon had acted, so there is one job."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    amazon.fates = ["held"]
    first = asyncio.create_task((await runs_at(amazon, store).plan(REQUEST)).requested())
    await asyncio.sleep(1)
    first.cancel()  # for the store, this equals a kill
    assert await (await runs_at(amazon, store).plan(REQUEST)).requested() == "1"
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_clock_that_was_set_back_does_not_hold_up_the_next_process() -> None:
    """A process was killed while it sent, and its claim is an hour ahead: it is settled after a minute all the same."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    planned = (await runs_at(amazon, store).plan(REQUEST)).entry
    later = await store.now() + 3600
    store.replace(planned, stage=Stage.SENDING, claimed_at=later, attempted_at=later)
    assert await (await runs_at(amazon, store).plan(REQUEST)).requested() == "1"
    assert amazon.sent_at == [pytest.approx(_steps.SETTLED_SECONDS, abs=1)]
    # Another process's new claim counts from when it is seen.
    run = await runs_at(amazon, store).plan({**REQUEST, "marketplaceIds": ["CA"]})
    await asyncio.sleep(3600)
    store.replace(run.entry, stage=Stage.SENDING, claimed_at=later + 3600, attempted_at=later + 3600)
    began = amazon.clock.monotonic()
    assert await run.requested() == "2"
    assert amazon.sent_at[1] - began == pytest.approx(_steps.SETTLED_SECONDS, abs=1)


@virtual_time
async def test_two_processes_with_the_same_request_send_it_once() -> None:
    """The second one sees the first one's claim and then its report."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    runs = [await runs_at(amazon, store).plan(REQUEST) for _ in range(3)]
    assert await asyncio.gather(*[run.requested() for run in runs]) == ["1", "1", "1"]
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_claim_bounds_how_long_a_request_may_be_under_way() -> None:
    """With a journal a call has a deadline, so that other processes know when it is over."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    seen = []
    making = amazon.create

    async def create(request: dict[str, object]) -> str:
        from spapi_async._core.options import current_options

        seen.append(current_options())
        return await making(request)

    amazon.create = create  # type: ignore[method-assign, assignment]
    await (await runs_at(amazon, store).plan(REQUEST)).requested()
    await (await runs_at(amazon).plan(REQUEST)).requested()
    assert [options.deadline for options in seen] == [_steps.CLAIM_SECONDS, None]  # without one no process waits for it
    assert seen[0].max_wait == _steps.CLAIM_SECONDS / 6
    with call_options(max_wait=1.0, deadline=2.0):
        await (await runs_at(amazon, store).plan({**REQUEST, "reportType": "GET_Y"})).requested()
    assert (seen[2].max_wait, seen[2].deadline) == (1.0, 2.0)


async def waiting_for_quota(amazon: FakeAmazon, store: LastingStore) -> tuple[Run, asyncio.Task[str]]:
    """A run in the middle of ten minutes for which it waits for quota."""
    amazon.fates = [RateLimitWaitError("later", retry_after=600.0)]
    run = await runs_at(amazon, store).plan(REQUEST)
    asking = asyncio.create_task(run.requested())
    await asyncio.sleep(300)
    return run, asking


@virtual_time
async def test_quota_is_waited_for_without_a_claim() -> None:
    """The entry stays planned during the wait, so that a kill then leaves nothing to look up."""
    amazon = FakeAmazon()
    run, asking = await waiting_for_quota(amazon, LastingStore(amazon.clock))
    assert run.entry.stage is Stage.PLANNED
    assert await asking == "1"
    assert amazon.sent_at[1] == pytest.approx(600.1)


@virtual_time
async def test_a_run_that_another_process_continued_during_a_wait_for_quota_is_not_sent_again() -> None:
    """That process had quota sooner, and its job is adopted."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    run, asking = await waiting_for_quota(amazon, store)
    theirs = amazon.make()
    store.replace(run.entry, stage=Stage.WAITING, job_id=theirs, made=True)
    assert await asking == theirs
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_wait_for_quota_longer_than_the_caller_allows_is_refused() -> None:
    """``max_wait`` applies, and nothing is left to look up."""
    amazon = FakeAmazon()
    amazon.fates = [RateLimitWaitError("later", retry_after=600.0)]
    run = await runs_at(amazon, LastingStore(amazon.clock)).plan(REQUEST)
    with call_options(max_wait=60.0), pytest.raises(RateLimitWaitError):
        await run.requested()
    assert run.entry.stage is Stage.PLANNED


@virtual_time
@pytest.mark.parametrize("bound", [{"max_wait": 20.0}, {"deadline": 20.0}])
async def test_repeated_waits_for_quota_are_added_up(bound: dict[str, float]) -> None:
    """Other processes take the token each time; together the waits are no longer than the caller allows."""
    amazon = FakeAmazon()
    amazon.fates = [RateLimitWaitError("later", retry_after=8.0)] * 9
    run = await runs_at(amazon, LastingStore(amazon.clock)).plan(REQUEST)
    with call_options(**bound), pytest.raises(RateLimitWaitError):  # type: ignore[arg-type]
        await run.requested()
    assert amazon.sent_at == pytest.approx([0.0, 8.1, 16.2])
    assert run.entry.stage is Stage.PLANNED


@virtual_time
@pytest.mark.parametrize(
    ("bound", "exceeded"),
    [
        ({"max_wait": 5.0}, "max_wait=5"),
        ({"deadline": 5.0}, "deadline=5"),
        ({"max_wait": 5.0, "deadline": 9.0}, "max_wait=5"),
        ({"max_wait": 9.0, "deadline": 5.0}, "deadline=5"),
    ],
)
async def test_a_turn_is_waited_for_no_longer_than_the_caller_allows(bound: dict[str, float], exceeded: str) -> None:
    """Another request of the type waits ten minutes for quota: that is known, and the error says so at once."""
    amazon = FakeAmazon()
    amazon.fates = [RateLimitWaitError("later", retry_after=600.0)]
    runs = runs_at(amazon, LastingStore(amazon.clock))
    first, second = await runs.plan(REQUEST), await runs.plan({**REQUEST, "marketplaceIds": ["CA"]})
    patient = asyncio.create_task(first.requested())
    await asyncio.sleep(1)
    with call_options(**bound), pytest.raises(RateLimitWaitError, match=f"longer than {exceeded} s") as refused:  # type: ignore[arg-type]
        await second.requested()
    assert amazon.clock.monotonic() == pytest.approx(1.0)
    assert refused.value.retry_after == pytest.approx(599.1)
    assert second.entry.stage is Stage.PLANNED
    assert (await patient, await second.requested()) == ("1", "2")


@virtual_time
async def test_a_turn_that_does_not_come_is_given_up() -> None:
    """The request before it is being answered, for an unknown time."""
    amazon = FakeAmazon()
    amazon.fates = ["held"]
    runs = runs_at(amazon, LastingStore(amazon.clock))
    first, second = await runs.plan(REQUEST), await runs.plan({**REQUEST, "marketplaceIds": ["CA"]})
    holding = asyncio.create_task(first.requested())
    await asyncio.sleep(1)
    with call_options(max_wait=5.0), pytest.raises(RateLimitWaitError):
        await second.requested()
    assert amazon.clock.monotonic() == pytest.approx(6.0)
    holding.cancel()


@virtual_time
async def test_an_end_that_another_process_noticed_has_its_status() -> None:
    """The document of a FATAL job explains the failure, and must not be read as a result."""
    amazon = FakeAmazon(takes=0.0)
    store = LastingStore(amazon.clock)
    run = await runs_at(amazon, store).plan(REQUEST)
    await run.requested()
    store.replace(run.entry, stage=Stage.FINISHED, status="FATAL", document_id="explanation")

    async def get(job_id: str) -> Job:
        return Job(id=job_id, status="FATAL", document_id="explanation")

    amazon.get = get  # type: ignore[method-assign]
    assert (await (await runs_at(amazon, store).plan(REQUEST)).finished()).status == "FATAL"


@virtual_time
async def test_an_overtaken_process_adopts_the_others_job() -> None:
    """A process that was suspended past its claim finds another's report in the journal."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    run = await runs_at(amazon, store).plan(REQUEST)
    making = amazon.create

    async def overtaken(request: dict[str, object]) -> str:
        store.replace(run.entry, stage=Stage.WAITING, job_id="7", made=True)
        return await making(request)

    amazon.create = overtaken  # type: ignore[method-assign, assignment]
    assert await run.requested() == "7"


@virtual_time
async def test_a_run_whose_entry_was_deleted_is_an_error() -> None:
    """Nothing can be guaranteed for it any more."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    run = await runs_at(amazon, store).plan(REQUEST)
    await store.aclose()
    with pytest.raises(ConfigurationError, match="no longer in the journal"):
        await run.requested()


@virtual_time
async def test_a_finished_run_is_not_polled_again_after_a_restart() -> None:
    """The journal has the document of a finished run."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    await (await runs_at(amazon, store).plan(REQUEST)).finished()
    amazon.asked.clear()
    job = await (await runs_at(amazon, store).plan(REQUEST)).finished()
    assert (job.document_id, amazon.asked) == ("document of 1", [])


@virtual_time
async def test_an_expired_claim_can_be_taken_by_one_process_only() -> None:
    """Both late processes look it up, and one sends."""
    amazon = FakeAmazon()
    store = LastingStore(amazon.clock)
    first = await runs_at(amazon, store).plan(REQUEST)
    await store.swap(first.entry, claimed(first.entry, await store.now()))
    await asyncio.sleep(_steps.SETTLED_SECONDS + 1)
    late = [await runs_at(amazon, store).plan(REQUEST) for _ in range(2)]
    assert await asyncio.gather(*[run.requested() for run in late]) == ["1", "1"]
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_failed_look_up_is_repeated() -> None:
    """The request is looked for until it is settled."""
    amazon = FakeAmazon()
    amazon.fates = ["unanswered"]
    outage = LWAError("later", code="temporarily_unavailable", status=503)
    amazon.trouble = [ConnectionFailedError("no route"), outage, ServerError("503", status=503)]
    assert await (await runs_at(amazon).plan(REQUEST)).requested() == "1"
    assert len(amazon.sent_at) == 1


@virtual_time
async def test_a_request_that_cannot_be_looked_up_is_not_sent_again() -> None:
    """Amazon may have acted: the error says so, and the entry does not change."""
    amazon = FakeAmazon()
    amazon.fates, amazon.trouble = ["unanswered"], [ConnectionFailedError("no route")] * 99
    run = await runs_at(amazon).plan(REQUEST)
    with pytest.raises(OutcomeUnknownError, match="looking it up failed"):
        await run.requested()
    assert (run.entry.stage, len(amazon.sent_at)) == (Stage.SENDING, 1)


@virtual_time
async def test_a_claim_that_expires_before_the_request_is_sent_is_renewed() -> None:
    """It is renewed a few times; a caller's own deadline applies at once."""
    amazon = FakeAmazon()
    amazon.fates = [RequestTimeoutError("too late")]
    store = LastingStore(amazon.clock)
    assert await (await runs_at(amazon, store).plan(REQUEST)).requested() == "1"
    amazon.fates = [RequestTimeoutError("too late")] * 99
    run = await runs_at(amazon, store).plan({**REQUEST, "reportType": "GET_Y"})
    with pytest.raises(RequestTimeoutError):
        await run.requested()
    assert len(amazon.fates) == 96
    with call_options(deadline=5.0), pytest.raises(RequestTimeoutError):
        await run.requested()
    assert len(amazon.fates) == 95
