"""A real queue for tests: moto's server in a process of its own.

``sqs_endpoint``  session, the URL of the server
``sqs_queue``     function, the URL of a new queue

In a conftest: ``from sqs_server import sqs_endpoint, sqs_queue  # noqa: F401``.
"""

from __future__ import annotations

import functools
import subprocess
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
import warm_python
from servers import free_port

__all__ = ["ENVIRONMENT", "client", "counts", "send", "sqs_endpoint", "sqs_queue"]

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def sqs_endpoint() -> Iterator[str]:
    """The server, up until the session ends."""
    port = free_port()
    program = Path(__file__).with_name("sqs_process.py")
    process = warm_python.start([str(program), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, f"{url}/moto-api/data.json")
        yield url
    finally:
        process.kill()
        process.wait()


def _wait(process: warm_python.Process, url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("moto's server ended")
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise TimeoutError("moto's server did not come up")


@pytest.fixture
async def sqs_queue(sqs_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A queue of the test's own, and made-up credentials in the environment.

    Connections to it are not encrypted: clients need not read the authorities that they trust, 40 ms for each of them.
    """
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("aiobotocore.httpsession.get_cert_path", lambda _: None, raising=False)
    async with client(sqs_endpoint) as sqs:
        yield (await sqs.create_queue(QueueName=f"q{uuid.uuid4().hex}"))["QueueUrl"]


def client(endpoint: str) -> AbstractAsyncContextManager[Any]:
    """A client of the server, for what the library does not do."""
    context: AbstractAsyncContextManager[Any] = _session().create_client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
    )
    return context


@functools.cache
def _session() -> Any:
    """One session for all: it keeps Amazon's service descriptions, which take a tenth of a second to read."""
    from aiobotocore.session import get_session

    return get_session()


async def send(queue: str, bodies: Sequence[str]) -> None:
    """Put messages into a queue."""
    async with client(queue.rsplit("/", 2)[0]) as sqs:
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
            await sqs.send_message_batch(QueueUrl=queue, Entries=entries)


async def counts(queue: str) -> tuple[int, int]:
    """How many messages are visible, and how many are received and not yet deleted."""
    async with client(queue.rsplit("/", 2)[0]) as sqs:
        found = (await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"]))["Attributes"]
    return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])
