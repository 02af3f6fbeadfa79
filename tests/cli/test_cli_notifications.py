"""``spapi-async notifications``: subscribe, list, listen."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from typing import Any

import pytest
import warm_python
from sqs_server import client, counts, send

from spapi_async.cli.application import run
from spapi_async.emulator.server import Emulator

pytest_plugins = ("cli_fixtures",)
pytestmark = pytest.mark.usefixtures("terminal_with_credentials")

ARN = "arn:aws:sqs:us-east-1:123456789012:orders"
WHOLE = {
    "notificationType": "SOMETHING_NEW",
    "eventTime": "2026-01-02T03:04:05Z",
    "payload": {"sellerId": "A1EXAMPLE"},
    "notificationMetadata": {"notificationId": "id-1"},
}


async def command(*words: str) -> int:
    """Run the command in a thread with a loop of its own, beside the servers of this test."""
    return await asyncio.to_thread(run, words)


@pytest.mark.spapi_emulator(orders=0, rate_scale=1000)
async def test_a_subscription_is_made_and_listed(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Repeating the command finds it; the list names the queue."""
    words = ["notifications", "subscribe", "ORDER_CHANGE", ARN, "--marketplace", "US", "--endpoint", spapi_emulator.url]
    assert await command(*words, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["processingDirective"]["eventFilter"]["marketplaceIds"] == ["ATVPDKIKX0DER"]
    assert await command(*words) == 0
    assert made["subscriptionId"] in capsys.readouterr().out
    assert await command("notifications", "list", "--endpoint", spapi_emulator.url) == 0
    table = capsys.readouterr().out
    assert all(word in table for word in ("ORDER_CHANGE", ARN, made["subscriptionId"]))


@pytest.mark.spapi_emulator(orders=0, rate_scale=1000)
async def test_a_subscription_is_ended(spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Its destination is deleted only on request; a missing one is reported, and is no error."""

    async def said(*words: str) -> str:
        assert await command("notifications", *words, "--endpoint", spapi_emulator.url) == 0
        return capsys.readouterr().out

    made = json.loads(await said("subscribe", "ORDER_CHANGE", ARN, "--json"))["subscriptionId"]
    assert "no such subscription" in await said("unsubscribe", "ORDER_CHANGE", "--subscription", "another")
    assert "no such subscription" in await said("unsubscribe", "ORDER_CHANGE", f"{ARN}-two")
    assert f"subscription {made} was ended" in await said("unsubscribe", "ORDER_CHANGE", ARN)
    assert len(json.loads(await said("list", "ORDER_CHANGE", "--json"))["destinations"]) == 1
    await said("subscribe", "ORDER_CHANGE", ARN)
    ended = json.loads(await said("unsubscribe", "ORDER_CHANGE", "--delete-destination", "--json"))["ended"]
    assert [each["payloadVersion"] for each in ended] == ["1.0"]
    assert json.loads(await said("list", "ORDER_CHANGE", "--json")) == {"subscriptions": {}, "destinations": []}


@pytest.mark.spapi_emulator(orders=0)
async def test_a_filter_that_a_type_does_not_take_is_a_usage_error(
    spapi_emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints one line, ends with 2, and sends nothing."""
    words = [
        "notifications",
        "subscribe",
        "FEE_PROMOTION",
        ARN,
        "--marketplace",
        "US",
        "--endpoint",
        spapi_emulator.url,
    ]
    assert await command(*words) == 2
    assert capsys.readouterr().err == "spapi-async: FEE_PROMOTION does not accept marketplaces\n"
    assert spapi_emulator.stats()["operations"] == {}


async def test_listening_prints_and_deletes(sqs_queue: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each message is a line; with ``--json`` it is the payload as it came."""
    await send(sqs_queue, [json.dumps(WHOLE)])
    assert await command("notifications", "listen", sqs_queue, "--max", "1") == 0
    assert capsys.readouterr().out == "2026-01-02 03:04:05+0000  SOMETHING_NEW  A1EXAMPLE  id-1\n"
    await send(sqs_queue, [json.dumps(WHOLE)])
    assert await command("notifications", "listen", sqs_queue, "--max", "1", "--json") == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (printed["key"], printed["payload"]) == ("id-1", WHOLE["payload"])
    assert await counts(sqs_queue) == (0, 0)


async def test_a_client_secret_is_not_printed(
    sqs_queue: str, sqs_endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Messages that are not notifications are sent to the given queue."""
    async with client(sqs_endpoint) as sqs:
        aside = (await sqs.create_queue(QueueName=sqs_queue.rpartition("/")[2] + "-aside"))["QueueUrl"]
    secret = {"payload": {"applicationOAuthClientNewSecret": {"clientId": "c", "newClientSecret": "MARK"}}}
    await send(sqs_queue, ["no JSON", json.dumps(secret)])
    assert await command("notifications", "listen", sqs_queue, "--max", "1", "--json", "--set-aside", aside) == 0
    assert "MARK" not in capsys.readouterr().out
    assert await counts(aside) == (1, 0)


async def test_a_queue_that_does_not_exist_is_a_usage_error(sqs_queue: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A URL that is not a queue's is one, too."""
    assert await command("notifications", "listen", f"{sqs_queue}-missing") == 2
    assert await command("notifications", "listen", "orders") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


async def test_ctrl_c_leaves_unprinted_messages_in_the_queue(sqs_queue: str) -> None:
    """One line says so; the exit code is that of an interruption."""
    pipe = subprocess.PIPE
    words = ["-m", "spapi_async", "notifications", "listen", sqs_queue, "--json"]
    process = warm_python.start(words, stdout=pipe, stderr=pipe)
    await send(sqs_queue, [json.dumps(WHOLE)])
    assert process.stdout is not None
    assert json.loads(await asyncio.to_thread(process.stdout.readline))["key"] == "id-1"
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.to_thread(process.communicate, 60)
    assert (process.returncode, said) == (
        130,
        b"spapi-async: interrupted; notifications that were not printed stay in the queue\n",
    )
