"""A queue of notifications on a real SQS: messages are deleted after success, extended, put back and set aside."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader
from sqs_server import counts, send

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.notifications import SqsQueue

LONG = 600


def body(number: int) -> str:
    """A notification with this number for its id."""
    metadata = {"NotificationId": f"id-{number}"}
    return json.dumps({"NotificationType": "SOMETHING_NEW", "Payload": {"n": number}, "NotificationMetadata": metadata})


async def read(messages: Any, count: int) -> list[Any]:
    """``count`` messages, including the work on the last of them."""
    found = []
    async for message in messages:
        found.append(message)
        if len(found) == count:
            message.done()
            break
    return found


async def fail(queue: SqsQueue) -> None:
    """Work that fails, and ends the block."""
    async with queue as messages:
        await fail_at_the_first(messages)


async def fail_at_the_first(messages: Any) -> None:
    """Work that fails."""
    async for _ in messages:
        raise RuntimeError


async def test_a_message_is_deleted_when_the_loop_comes_back(sqs_queue: str) -> None:
    """It is also deleted when ``done()`` is called, if the loop ends there."""
    await send(sqs_queue, [body(n) for n in range(12)])
    async with SqsQueue(sqs_queue, wait=1) as messages:
        found = await read(messages, 12)
    assert {message.key for message in found} == {f"id-{n}" for n in range(12)}
    assert await counts(sqs_queue) == (0, 0)


async def test_a_message_whose_work_fails_reappears_at_once(sqs_queue: str) -> None:
    """So do the others that the block had received; the count of tries rises."""
    await send(sqs_queue, [body(1), body(2)])
    queue = SqsQueue(sqs_queue, wait=1, visibility=LONG)
    with pytest.raises(RuntimeError):
        await fail(queue)
    assert await counts(sqs_queue) == (2, 0)
    async with SqsQueue(sqs_queue, wait=1) as messages:
        assert {message.tries for message in await read(messages, 2)} == {2}


async def test_an_error_that_is_caught_outside_the_loop_deletes_nothing(sqs_queue: str) -> None:
    """The loop did not ask for another message."""
    await send(sqs_queue, [body(1)])
    async with SqsQueue(sqs_queue, wait=1) as messages:
        with pytest.raises(RuntimeError):
            await fail_at_the_first(messages)
    assert await counts(sqs_queue) == (1, 0)


async def test_a_message_is_put_back_on_request(sqs_queue: str) -> None:
    """The loop goes on, and gets it again after the given time."""
    await send(sqs_queue, [body(1)])
    tries = []
    async with SqsQueue(sqs_queue, wait=1) as messages:
        async for message in messages:
            tries.append(message.tries)
            if len(tries) == 3:
                message.done()
                break
            message.retry()
    assert tries == [1, 2, 3]
    assert await counts(sqs_queue) == (0, 0)


async def test_unprocessable_messages_are_moved_to_their_own_queue(sqs_queue: str, sqs_endpoint: str) -> None:
    """They are moved after a number of tries, and at once if they are not notifications."""
    from sqs_server import client

    async with client(sqs_endpoint) as sqs:
        aside = (await sqs.create_queue(QueueName=sqs_queue.rpartition("/")[2] + "-aside"))["QueueUrl"]
    await send(sqs_queue, [body(1), "SECRET is no JSON"])
    for _ in range(2):
        async with SqsQueue(sqs_queue, wait=1, tries=2, set_aside=aside) as messages:
            assert (await anext(aiter(messages))).key == "id-1"
    await send(sqs_queue, [body(2)])
    async with SqsQueue(sqs_queue, wait=1, tries=2, set_aside=aside) as messages:
        assert [message.key for message in await read(messages, 1)] == ["id-2"]
        assert messages.set_aside == 1
    assert await counts(sqs_queue) == (0, 0)
    assert await counts(aside) == (2, 0)


async def test_unprocessable_messages_without_such_a_queue_are_hidden_and_kept(
    sqs_queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so, without the message's content."""
    await send(sqs_queue, ["SECRET is no JSON", body(1)])
    async with SqsQueue(sqs_queue, wait=1) as messages:
        assert [message.key for message in await read(messages, 1)] == ["id-1"]
    assert await counts(sqs_queue) == (0, 1)
    assert "set aside" in caplog.text
    assert "SECRET" not in caplog.text


async def test_several_loops_share_the_messages(sqs_queue: str) -> None:
    """Each message goes to one of them."""
    await send(sqs_queue, [body(n) for n in range(30)])
    seen: list[str] = []

    async def work(messages: Any) -> None:
        async for message in messages:
            seen.append(message.key)
            await asyncio.sleep(0)

    async with SqsQueue(sqs_queue, wait=1) as messages:
        workers = [asyncio.create_task(work(messages)) for _ in range(3)]
        while len(seen) < 30:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
    assert sorted(seen) == sorted(f"id-{n}" for n in range(30))
    assert await counts(sqs_queue) == (0, 0)


async def test_cancelling_a_reader_puts_its_messages_back(sqs_queue: str) -> None:
    """They are the one being worked on and those that wait."""
    await send(sqs_queue, [body(n) for n in range(5)])
    began = asyncio.Event()

    async def work() -> None:
        async with SqsQueue(sqs_queue, wait=1, visibility=LONG) as messages:
            async for _ in messages:
                began.set()
                await asyncio.sleep(LONG)

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await counts(sqs_queue) == (5, 0)


async def test_a_queue_that_does_not_exist_is_the_callers_mistake(sqs_queue: str) -> None:
    """The error is raised at once instead of being retried."""
    async with SqsQueue(f"{sqs_queue}-missing", wait=1) as messages:
        with pytest.raises(ConfigurationError, match=r"SQS ReceiveMessage: .*Queue"):
            await anext(aiter(messages))


@pytest.mark.parametrize(
    ("url", "arn"),
    [
        ("https://sqs.us-east-1.amazonaws.com/1234/name", "arn:aws:sqs:us-east-1:1234:name"),
        ("https://eu-west-1.queue.amazonaws.com/1234/name", "arn:aws:sqs:eu-west-1:1234:name"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1234/name", "arn:aws-cn:sqs:cn-north-1:1234:name"),
    ],
)
def test_a_queues_url_gives_its_arn(url: str, arn: str) -> None:
    """It contains region, account and name."""
    assert SqsQueue(url).arn == arn


@pytest.mark.parametrize("options", [{"wait": 21}, {"visibility": 0}, {"tries": 0}])
def test_options_that_sqs_would_refuse_are_refused_at_once(options: Any) -> None:
    """The error has the value."""
    with pytest.raises(ConfigurationError, match=str(next(iter(options.values())))):
        SqsQueue("https://sqs.us-east-1.amazonaws.com/1234/name", **options)


@pytest.mark.parametrize("url", ["", "arn:aws:sqs:us-east-1:1:q", "https://sqs.us-east-1.amazonaws.com/name"])
def test_an_invalid_queue_url_is_refused(url: str) -> None:
    """An ARN does not say where to connect."""
    with pytest.raises(ConfigurationError, match="queue's URL"):
        SqsQueue(url)


async def test_botocores_service_files_are_read_once(sqs_queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them blocks the loop for 50 ms."""
    async with SqsQueue(sqs_queue):
        pass
    read: list[str] = []
    load = JSONFileLoader.load_file

    def load_file(loader: JSONFileLoader, path: str) -> Any:
        read.append(path)
        return load(loader, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", load_file)
    async with SqsQueue(sqs_queue):
        pass
    assert read == []
