"""An SQS queue of notifications, and the block that reads it.

Like SQS, it delivers each message at least once and in any order: no message is lost if the reader fails.
"""

from __future__ import annotations

import functools
import os
import re
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from spapi_async._core.clock import Clock, SystemClock
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.notifications._messages import LONGEST_VISIBILITY, Handling, Messages
from spapi_async.workflows.notifications._sqs_errors import translated

__all__ = ["SqsQueue", "queue_arn"]

_LONGEST_WAIT = 20  # seconds of long polling; a limit of SQS
_QUEUE_HOST = re.compile(r"(?:sqs\.(?P<new>[\w-]+)|(?P<old>[\w-]+)\.queue)\.amazonaws\.com(?:\.cn)?")


class SqsQueue:
    """``async with SqsQueue(url) as messages: async for message in messages: ...``; needs the extra ``sqs``.

    Credentials are found as botocore finds them. Several tasks may loop over ``messages`` at once.

    Args:
        url: the queue's URL, as the AWS console shows it. If its host is not Amazon's, it is used as the endpoint.
        region: the AWS region, if the URL does not contain it.
        wait: seconds for which one request waits for messages.
        visibility: seconds after which a message reappears if the reader fails; extended while it is handled.
        tries: how often a notification is delivered before it is set aside. A message that is not a notification is
            set aside at once.
        set_aside: the URL of a queue for such messages; the destination's postal code is cut out of them. Without it
            they stay in the queue, hidden for an hour at a time.
        clock: the source of time.
        options: further arguments of botocore's ``create_client``.
    """

    def __init__(
        self,
        url: str,
        *,
        region: str | None = None,
        wait: int = _LONGEST_WAIT,
        visibility: int = 60,
        tries: int = 5,
        set_aside: str | None = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        if not 0 <= wait <= _LONGEST_WAIT:
            raise ConfigurationError(f"wait must be 0 to {_LONGEST_WAIT} seconds, not {wait}")
        if not 1 <= visibility <= LONGEST_VISIBILITY:
            raise ConfigurationError(f"visibility must be 1 to {LONGEST_VISIBILITY} seconds, not {visibility}")
        if tries < 1:
            raise ConfigurationError(f"tries must be at least 1, not {tries}")
        self.url = url
        self.region, endpoint = _location(url, region)
        self._handling = Handling(url=url, wait=wait, visibility=visibility, tries=tries, set_aside=set_aside)
        self._options = {"endpoint_url": endpoint, "region_name": self.region} | options
        self._clock = clock or SystemClock()
        self._client: AbstractAsyncContextManager[Any] | None = None
        self._messages: Messages | None = None

    @property
    def arn(self) -> str:
        """The queue's ARN, for ``subscribe``."""
        return queue_arn(self.url, self.region)

    def __repr__(self) -> str:
        return f"<SqsQueue {self.url}>"

    async def __aenter__(self) -> Messages:
        if self._client is not None:
            raise ConfigurationError("this SqsQueue is being read already: create another one for the same URL")
        try:
            from aiobotocore.config import AioConfig
            from aiobotocore.session import get_session
        except ModuleNotFoundError:
            raise ConfigurationError('queues need an extra: pip install "spapi-async[sqs]"') from None
        # Only Messages retries, on its own clock: retries of botocore would multiply the pauses.
        once = {"total_max_attempts": 1}
        config = AioConfig(read_timeout=self._handling.wait + 20, connect_timeout=10, retries=once)
        session = get_session()
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        self._client = session.create_client("sqs", **{"config": config} | self._options)
        try:
            with translated():
                client = await self._client.__aenter__()
        except BaseException:
            self._client = None
            raise
        self._messages = Messages(client, self._handling, self._clock)
        return self._messages

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        messages, self._messages = self._messages, None
        assert client is not None
        assert messages is not None
        try:
            await messages._close()  # noqa: SLF001
        finally:
            await client.__aexit__(kind, error, trace)


@functools.cache
def _loader(folder: str | None) -> Any:
    """Botocore's loader of service descriptions, shared because each new one blocks the event loop for 50 ms."""
    from botocore.loaders import create_loader

    return create_loader(folder)


def queue_arn(url: str, region: str | None = None) -> str:
    """``https://sqs.us-east-1.amazonaws.com/1234/name`` is ``arn:aws:sqs:us-east-1:1234:name``.

    Raises:
        ConfigurationError: it is not a queue's URL.
    """
    region, _ = _location(url, region)
    account, _, name = urlsplit(url).path.strip("/").rpartition("/")
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    return f"arn:{partition}:sqs:{region}:{account}:{name}"


def _location(url: str, region: str | None) -> tuple[str, str | None]:
    """The region of a queue, and its endpoint if the host is not Amazon's."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/").count("/") != 1:
        raise ConfigurationError(f"a queue's URL is like https://sqs.us-east-1.amazonaws.com/1234/name, not {url!r}")
    match = _QUEUE_HOST.fullmatch(parts.hostname or "")
    named = match and (match["new"] or match["old"])
    default = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return region or named or default, None if match else f"{parts.scheme}://{parts.netloc}"
