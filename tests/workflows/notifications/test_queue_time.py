"""A queue over hours, in virtual time: outages, long work, an endpoint that does not wait."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import CredentialRetrievalError, MetadataRetrievalError
from fake_sqs import FakeSqs
from virtual_time import virtual_time

from spapi_async.errors import ClosedError, ConfigurationError, TransportError
from spapi_async.workflows.notifications import SqsQueue


def body(number: int) -> str:
    """A notification with this number for its id."""
    metadata = {"notificationId": f"id-{number}"}
    return json.dumps({"notificationType": "NEW", "payload": {"n": number}, "notificationMetadata": metadata})


async def first(messages: Any) -> Any:
    """The next message, with its work done; its loop has ended by then."""
    message = await anext(aiter(messages))
    message.done()
    return message


@virtual_time
async def test_a_reader_survives_an_outage() -> None:
    """Pauses double up to half a minute; then the message comes. AWS may also fail to issue credentials for a while."""
    sqs = FakeSqs([body(1)])
    agent = {"error_msg": "the agent is busy"}
    issuing = [CredentialRetrievalError(provider="container-role", **agent), MetadataRetrievalError(**agent)]
    sqs.troubles = [TransportError("gone"), *issuing, *[TransportError("gone")] * 5]
    async with sqs.messages() as messages:
        assert (await first(messages)).key == "id-1"
    assert sqs.received_at == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert sqs.deleted == [body(1)]


@virtual_time
async def test_work_that_takes_an_hour_has_the_message_to_itself() -> None:
    """Its visibility is extended while the work goes on; handled messages are deleted meanwhile."""
    sqs = FakeSqs([body(1), body(2)])
    async with sqs.messages(visibility=60) as messages:
        loop = aiter(messages)
        await anext(loop)
        second = await anext(loop)
        for _ in range(360):
            await asyncio.sleep(10)
            assert sqs.hidden() == len(sqs.stored)
        assert sqs.deleted == [body(1)]
        second.done()
    assert [each["tries"] for each in sqs.stored] == []


@virtual_time
async def test_many_messages_in_work_are_all_kept_invisible() -> None:
    """One request of SQS extends ten of them."""
    sqs = FakeSqs([body(number) for number in range(15)])
    async with sqs.messages(visibility=60) as messages:
        loops = [aiter(messages) for _ in range(15)]
        for each in loops:
            await anext(each)
        await asyncio.sleep(100)
        assert sqs.hidden() == 15


@virtual_time
async def test_the_message_of_a_reader_that_hangs_reappears() -> None:
    """It is no longer extended; the next reader gets it as the second try."""
    sqs = FakeSqs([body(1)])
    async with sqs.messages(visibility=60) as messages:
        message = await anext(loop := aiter(messages))
        messages.hang()
        await asyncio.sleep(61)
        assert sqs.hidden() == 0
        async with sqs.messages() as others:
            assert (await first(others)).tries == 2
    del message, loop


@virtual_time
async def test_a_message_reappears_after_the_requested_time() -> None:
    """It does not reappear sooner, and the loop does not wait for it."""
    sqs = FakeSqs([body(1)])
    async with sqs.messages() as messages:
        async for message in messages:
            if message.tries == 2:
                message.done()
                break
            message.retry(after=600)
        assert 600 <= sqs.clock.monotonic() <= 621


@virtual_time
async def test_a_queue_that_does_not_wait_is_asked_once_a_second() -> None:
    """A stand-in, a proxy or ``wait=0`` answers at once that there is no message."""
    sqs = FakeSqs()
    sqs.waits = False
    async with sqs.messages() as messages:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.5):
                await first(messages)
    assert len(sqs.received_at) == 60


@virtual_time
async def test_a_deletion_that_fails_alone_is_repeated() -> None:
    """SQS answers 200 and names it; an invalid receipt is not retried for ever."""
    sqs = FakeSqs([body(1), body(2), body(3)])
    sqs.refusals = [{"Code": "InternalError", "SenderFault": False}, {"Code": "Invalid", "SenderFault": True}]
    async with sqs.messages() as messages:
        for _ in range(3):
            await first(messages)
        await asyncio.sleep(21)
        assert sqs.deleted == [body(3)]
        await asyncio.sleep(20)
        assert sqs.deleted == [body(3), body(1)]


@virtual_time
async def test_a_deletion_that_fails_alone_is_repeated_even_if_the_next_request_fails() -> None:
    """Twenty handled messages are deleted by two requests."""
    sqs = FakeSqs([body(number) for number in range(20)])
    sqs.deletion_troubles = [TransportError("gone"), None, TransportError("gone")]
    async with sqs.messages() as messages:
        loop = aiter(messages)
        for number in range(20):
            sqs.refusals = [{"Code": "InternalError", "SenderFault": False}] if number == 19 else []
            await anext(loop)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await anext(loop)
        assert len(sqs.deleted) == 9
        await asyncio.sleep(21)
        assert sorted(sqs.deleted) == sorted(body(number) for number in range(20))


@virtual_time
async def test_a_handled_message_is_deleted_although_its_reader_stops_waiting() -> None:
    """The reader is cancelled during the request that deletes it."""
    sqs = FakeSqs([body(1)])
    async with sqs.messages() as messages:
        await anext(loop := aiter(messages))
        sqs.deletes_after = 1.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(loop)
        sqs.deletes_after = 0.0
    assert sqs.deleted == [body(1)]


@virtual_time
async def test_a_refused_deletion_does_not_end_the_extensions() -> None:
    """AWS may refuse a request for a moment, for example while a policy is being replaced."""
    sqs = FakeSqs([body(1), body(2)])
    async with sqs.messages(visibility=60) as messages:
        loop = aiter(messages)
        await anext(loop)
        await anext(loop)
        sqs.deletion_troubles = [ConfigurationError("SQS DeleteMessageBatch: AccessDenied")]
        for _ in range(12):
            await asyncio.sleep(10)
            assert sqs.hidden() == len(sqs.stored)
        assert sqs.deleted == [body(1)]


@virtual_time
async def test_a_message_that_is_done_after_its_loop_is_not_shown_before_it_is_deleted() -> None:
    """Another reader would get it meanwhile."""
    sqs = FakeSqs([body(1)])
    sqs.deletes_after = 5.0
    async with sqs.messages(visibility=60) as messages:
        message = await anext(aiter(messages))
        message.done()
        await asyncio.sleep(22)
        assert (sqs.hidden(), sqs.deleted) == (1, [])
        await asyncio.sleep(5)
        assert sqs.deleted == [body(1)]


@virtual_time
async def test_unprocessable_messages_wait_for_their_queue(caplog: pytest.LogCaptureFixture) -> None:
    """While it is unreachable, moving is tried once a minute, and counted when it succeeds."""
    sqs = FakeSqs(["no notification"])
    sqs.aside_troubles = [TransportError("gone")] * 3
    async with sqs.messages(set_aside="aside") as messages:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(170):
                await first(messages)
        assert (messages.set_aside, sqs.aside) == (0, [])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await first(messages)
        assert (messages.set_aside, sqs.aside, sqs.deleted) == (1, ["no notification"], ["no notification"])
    assert caplog.text.count("could not be set aside yet") == 3


@virtual_time
@pytest.mark.parametrize("wrappings", [0, 1, 2])
@pytest.mark.parametrize("name", ["DestinationPostalCode", "destinationPostalCode"])
async def test_what_is_set_aside_holds_no_postal_code(wrappings: int, name: str) -> None:
    """Nobody knows how long a message waits there; all else is kept, however often it is wrapped."""

    def wrapped(code: str | None) -> str:
        summary = {"MarketplaceId": "A1", name: code, "OrderStatus": "Shipped"}
        text = json.dumps({"NotificationType": "ORDER_CHANGE", "Payload": {"Summary": summary}})
        for _ in range(wrappings):
            text = json.dumps({"Type": "Notification", "Message": text})
        return text

    sqs = FakeSqs([wrapped("98101-1234")])
    async with sqs.messages(set_aside="aside", tries=0) as messages:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await first(messages)
    assert sqs.aside == [wrapped(None)]


@virtual_time
async def test_broken_entries_do_not_affect_others() -> None:
    """They have no receipt, no body, no attributes, or an invalid count."""
    sqs = FakeSqs()
    good = {"ReceiptHandle": "r", "Body": body(1), "Attributes": {"ApproximateReceiveCount": "many"}}
    replies = [{"Messages": None}, {"Messages": [{"Body": body(2)}, {"ReceiptHandle": "x"}, good]}]

    async def receive_message(**_: Any) -> Any:
        return replies.pop(0)

    sqs.receive_message = receive_message  # type: ignore[method-assign]
    async with sqs.messages() as messages:
        message = await first(messages)
        assert (message.key, message.tries) == ("id-1", 1)
        assert messages.set_aside == 1


@virtual_time
async def test_a_message_is_set_aside_though_its_reader_gave_up() -> None:
    """A timeout ended the reader while the message was being moved; the next reader completes it."""
    sqs = FakeSqs(["not a notification", body(1)])
    sqs.hold_aside = asyncio.Event()
    async with sqs.messages(set_aside="aside") as messages:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await first(messages)
        sqs.hold_aside.set()
        assert (await first(messages)).key == "id-1"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await first(messages)
        assert (sqs.aside, sqs.stored) == (["not a notification"], [])


@virtual_time
async def test_a_message_put_back_is_not_hidden_by_an_earlier_extension() -> None:
    """Twelve are extended in two requests, and one is put back between them."""
    sqs = FakeSqs([body(number) for number in range(12)])
    async with sqs.messages(visibility=60) as messages:
        loops = [aiter(messages) for _ in range(12)]
        in_hand = [await anext(loop) for loop in loops]
        sqs.answers_after = 2.0
        await asyncio.sleep(20.5)  # the first ten are being extended
        in_hand[11].retry(after=600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await anext(loops[11])
        (message,) = [each for each in sqs.stored if each["body"] == body(11)]
        assert message["visible_at"] > 600


@virtual_time
async def test_a_message_is_put_back_although_the_block_ends_meanwhile() -> None:
    """The reader stopped during the request that says when the message may reappear."""
    sqs = FakeSqs([body(1)])
    async with sqs.messages(visibility=60) as messages:
        message = await anext(loop := aiter(messages))
        message.retry(after=600)
        sqs.answers_after = 1.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(loop)
    assert sqs.stored[0]["visible_at"] > 600


@virtual_time
@pytest.mark.parametrize("troubles", [0, 99])
async def test_a_loop_that_outlives_the_block_gets_an_error(troubles: int) -> None:
    """Its messages are back in the queue, and nothing would delete them; one that comes later is not handled."""
    sqs, empty = FakeSqs([body(1), body(2)]), FakeSqs()
    empty.troubles = [TransportError("gone")] * troubles
    async with sqs.messages() as messages, empty.messages() as others:
        loop = aiter(messages)
        await anext(loop)
        waiting = asyncio.create_task(first(others))
        await asyncio.sleep(5)
    empty.stored += FakeSqs([body(3)]).stored
    for late in (anext(loop), waiting):
        with pytest.raises(ClosedError):
            await asyncio.wait_for(late, 60)
    assert sqs.deleted == []


def test_a_queue_takes_a_clock() -> None:
    """No argument of botocore's has that name."""
    from virtual_time import VirtualClock

    assert "clock" not in SqsQueue("https://sqs.us-east-1.amazonaws.com/1/q", clock=VirtualClock())._options


async def test_an_endpoint_that_is_not_sqs_is_polled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may answer anything with any status, and no foreign error is raised."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    bodies = (b"<html>502</html>", b"", b'{"Messages": 5', b"null", b'{"Messages": "x"}')
    replies = [(body, status) for body in bodies for status in (200, 502)]
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        body, status = replies[asked % len(replies)]
        asked += 1
        return web.Response(status=status, body=body, content_type="application/x-amz-json-1.0")

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    async with TestServer(app) as server:
        clock = SleepsAtOnce()
        async with SqsQueue(f"http://127.0.0.1:{server.port}/1/q", clock=clock) as messages:
            reading = asyncio.create_task(first(messages))
            while asked <= len(replies) and not reading.done():
                await asyncio.sleep(0.01)
            assert not reading.done(), (replies[asked - 1], reading.exception())
            reading.cancel()
            await asyncio.wait([reading])
    assert clock.slept >= len(replies)


class SleepsAtOnce:
    """A clock that moves when it sleeps, while real sockets work."""

    slept = 0.0

    def monotonic(self) -> float:
        return self.slept

    def time(self) -> float:
        return self.slept

    async def sleep(self, seconds: float) -> None:
        if seconds >= 20:  # extending visibility: not here
            await asyncio.Event().wait()
        self.slept += seconds
        await asyncio.sleep(0)
