"""The messages of an open queue: received, kept invisible while they are handled, then deleted, put back or set aside.

A message is deleted only when the loop asks for the next one. Until then it is kept invisible to other readers. If this
reader is killed, SQS makes the message visible again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Self

import anyio
import msgspec

from spapi_async._core.clock import Clock
from spapi_async.errors import ClosedError, ConfigurationError, DecodeError, TransportError
from spapi_async.workflows.notifications._notification import Notification, parse
from spapi_async.workflows.notifications._sqs_errors import translated

__all__ = ["LONGEST_VISIBILITY", "Handling", "Messages", "QueuedNotification"]

logger = logging.getLogger("spapi_async.workflows.notifications")

LONGEST_VISIBILITY = 12 * 3600  # seconds; a limit of SQS
_BATCH = 10  # messages per request; a limit of SQS
_EMPTY_PAUSE = 1.0  # seconds between two requests to an empty queue that does not wait for messages
_LONGEST_PAUSE = 30.0  # seconds between two attempts while the queue cannot be reached
_HIDDEN_SECONDS = 3600  # for a message that is set aside without a queue of its own
_SET_ASIDE_AGAIN_SECONDS = 60  # until the next attempt if the queue for such messages cannot be reached
_CLOSING_SECONDS = 5.0  # for putting messages back when the block ends

# The one personal member in Amazon's schemas of notifications (ORDER_CHANGE), in either casing. In what SNS and Lambda
# wrap, its quotes are escaped, once for each wrapping.
_POSTAL_CODE = re.compile(r'((\\{0,31})"destinationPostalCode\2"\s{0,9}:\s{0,9})\2"[^"\\]{0,99}\2"', re.IGNORECASE)


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a queue: see :class:`SqsQueue`."""

    url: str
    wait: int
    visibility: int
    tries: int
    set_aside: str | None


class _Hold:
    """A message that this reader has received, and what to do with it."""

    __slots__ = ("body", "done", "receipt", "retry_after", "tries")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.receipt: str = entry["ReceiptHandle"]
        self.body = str(entry.get("Body") or "")
        attributes = entry.get("Attributes")
        self.tries = _count(attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None)
        self.done = False
        self.retry_after: int | None = None


class QueuedNotification(Notification, frozen=True, kw_only=True):
    """A notification from a queue.

    Attributes:
        tries: how often the queue has delivered it, including this time.
    """

    tries: int = 1
    _hold: _Hold

    def done(self) -> None:
        """Delete it even if the loop ends now; without this, it is deleted when the loop asks for the next one."""
        self._hold.done = True

    def retry(self, after: float = 0) -> None:
        """Put it back into the queue when the loop asks for the next one; it becomes visible after so many seconds."""
        self._hold.retry_after = min(max(0, round(after)), LONGEST_VISIBILITY)


class Messages:
    """The messages of an open queue: an async iterable of :class:`QueuedNotification`.

    A loop that outlives the queue's block gets a ClosedError: unfinished messages are back in the queue by then.
    """

    def __init__(self, client: Any, handling: Handling, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._url = handling.url
        self._handling = handling
        self._held: dict[str, _Hold] = {}  # messages that must stay invisible, by receipt
        self._waiting: deque[QueuedNotification] = deque()
        self._handled: list[str] = []  # receipts to delete
        self._returned: list[_Hold] = []  # messages to make visible again
        self._to_set_aside: deque[tuple[_Hold, str]] = deque()  # messages, and why
        self._receiving = asyncio.Lock()
        self._updating = asyncio.Lock()  # one update of visibility at a time: SQS applies the last one
        self._closed = False
        self.set_aside = 0
        self._extending = asyncio.create_task(self._extend_for_ever())

    def __aiter__(self) -> _Loop:
        return _Loop(self)

    def __repr__(self) -> str:
        return f"<Messages of {self._url}: {len(self._held)} received, {self.set_aside} set aside>"

    async def _next(self) -> QueuedNotification:
        while not self._closed:
            if not self._waiting:
                async with self._receiving:
                    if not self._waiting and not self._closed:
                        await self._settle()
                        await self._receive()
            if self._waiting and not self._closed:  # another loop may have taken them all
                return self._waiting.popleft()
        raise ClosedError("the block that reads this queue has ended")

    def _finished(self, hold: _Hold, *, handled: bool) -> None:
        """The loop asks for the next message (``handled``), or has ended."""
        if hold.retry_after is None and (handled or hold.done):
            self._held.pop(hold.receipt, None)
            self._handled.append(hold.receipt)
        else:
            self._returned.append(hold)

    async def _receive(self) -> None:
        pause = 1.0
        while True:
            asked_at = self._clock.monotonic()
            try:
                with translated():
                    reply = await self._client.receive_message(
                        QueueUrl=self._url,
                        MaxNumberOfMessages=_BATCH,
                        WaitTimeSeconds=self._handling.wait,
                        VisibilityTimeout=self._handling.visibility,
                        MessageSystemAttributeNames=["ApproximateReceiveCount"],
                    )
                break
            except TransportError as error:  # a reader that runs for weeks must survive an outage
                if self._closed:
                    return
                logger.warning("%s; trying again in %.0f s", error, pause)
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        found = [entry for entry in _list(reply, "Messages") if isinstance(entry.get("ReceiptHandle"), str)]
        for entry in found:
            self._take(_Hold(entry))
        # Substitutes for SQS may not support long polling.
        if not found and self._clock.monotonic() - asked_at < _EMPTY_PAUSE:
            await self._clock.sleep(_EMPTY_PAUSE)
        while self._to_set_aside:
            await self._set_aside(*self._to_set_aside[0])
            self._to_set_aside.popleft()  # only afterwards: if this reader is cancelled, the next loop repeats it

    def _take(self, hold: _Hold) -> None:
        """Keep a received message for a loop, or for setting it aside."""
        self._held[hold.receipt] = hold
        if hold.tries > self._handling.tries:
            self._to_set_aside.append((hold, f"delivered {hold.tries - 1} times and never finished"))
            return
        try:
            found = parse(hold.body)
        except DecodeError as error:
            self._to_set_aside.append((hold, error.message))
            return
        facts = {name: getattr(found, name) for name in found.__struct_fields__}
        self._waiting.append(QueuedNotification(**facts, tries=hold.tries, _hold=hold))

    async def _set_aside(self, hold: _Hold, why: str) -> None:
        """Move a message into the queue for such messages, or hide it if there is none."""
        where = f"into {self._handling.set_aside}" if self._handling.set_aside else f"hidden for {_HIDDEN_SECONDS} s"
        logger.error("a message of %s was set aside, %s: %s", self._url, where, why)
        if self._handling.set_aside is None:
            hold.retry_after = _HIDDEN_SECONDS
        else:
            try:
                with translated():
                    await self._client.send_message(
                        QueueUrl=self._handling.set_aside, MessageBody=_without_personal(hold.body)
                    )
                hold.done = True
            except TransportError as error:  # it reappears, and is set aside again then
                logger.warning(
                    "a message could not be set aside yet, next attempt in %d s: %s", _SET_ASIDE_AGAIN_SECONDS, error
                )
                hold.retry_after = _SET_ASIDE_AGAIN_SECONDS
        self.set_aside += self._handling.set_aside is None or hold.done
        self._finished(hold, handled=False)

    async def _settle(self) -> None:
        """Delete handled messages and put the others back; repeats later what fails now."""
        async with self._updating:
            await self._settle_locked()

    async def _settle_locked(self) -> None:
        returned, self._returned = self._returned, []
        for hold in returned:
            self._held.pop(hold.receipt, None)
            if hold.done and hold.retry_after is None:  # ``done`` was called after its loop had ended
                self._handled.append(hold.receipt)
        returned = [hold for hold in returned if hold.receipt not in self._handled]
        try:
            await self._change_visibility([(hold.receipt, hold.retry_after or 0) for hold in returned])
        except TransportError:
            pass  # the message reappears by itself
        except BaseException:
            self._returned += returned
            raise
        left: list[str] = []
        while self._handled:
            batch, self._handled = self._handled[:_BATCH], self._handled[_BATCH:]
            try:
                with translated():
                    reply = await self._client.delete_message_batch(QueueUrl=self._url, Entries=_entries(batch))
                left += _failed(reply, batch)
            except TransportError as error:
                self._handled += batch + left
                logger.warning("handled messages could not be deleted yet: %s", error)
                return
            except BaseException:
                self._handled += batch + left
                raise
        self._handled += left

    async def _extend_for_ever(self) -> None:
        """Keep received messages invisible to other readers, and delete handled ones before they reappear."""
        while True:
            await self._clock.sleep(self._handling.visibility / 3)
            try:
                async with self._updating:
                    await self._settle_locked()
                    await self._change_visibility([(receipt, self._handling.visibility) for receipt in self._held])
            except (TransportError, ConfigurationError) as error:
                logger.warning("messages could not be kept invisible, and may be delivered twice: %s", error)

    async def _change_visibility(self, wanted: Sequence[tuple[str, int]]) -> None:
        for start in range(0, len(wanted), _BATCH):
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                for place, (receipt, seconds) in enumerate(wanted[start : start + _BATCH])
            ]
            with translated():
                await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    async def _close(self) -> None:
        """Delete handled messages; make the others visible at once."""
        self._closed = True
        settled = {hold.receipt for hold in self._returned}
        for hold in list(self._held.values()):
            if hold.receipt not in settled:
                self._finished(hold, handled=False)
        self._extending.cancel()
        with (
            anyio.move_on_after(_CLOSING_SECONDS, shield=True),
            contextlib.suppress(TransportError, ConfigurationError),
        ):
            await asyncio.wait([self._extending])
            await self._settle()


class _Loop:
    """One loop over the messages; asking for the next message finishes the one before."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._current: _Hold | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> QueuedNotification:
        self._end(handled=True)
        message = await self._messages._next()  # noqa: SLF001
        self._current = message._hold  # noqa: SLF001
        return message

    def _end(self, *, handled: bool) -> None:
        hold, self._current = self._current, None
        if hold is not None:
            self._messages._finished(hold, handled=handled)  # noqa: SLF001

    def __del__(self) -> None:
        # An exception or ``break`` ended the loop during a message, so it is unknown whether the message was handled.
        self._end(handled=False)


def _without_personal(body: str) -> str:
    """A message as it may be kept for as long as it takes somebody to look at it."""
    return _POSTAL_CODE.sub(r"\1null", body)


def _entries(receipts: Iterable[str]) -> list[dict[str, str]]:
    return [{"Id": str(place), "ReceiptHandle": receipt} for place, receipt in enumerate(receipts)]


def _failed(reply: Any, batch: Sequence[str]) -> list[str]:
    """The receipts of a batch that SQS did not delete but may delete later."""
    failed = [each for each in _list(reply, "Failed") if not each.get("SenderFault")]
    if failed:
        logger.warning(
            "%d handled messages could not be deleted yet: SQS answered %s", len(failed), failed[0].get("Code")
        )
    places = {str(each.get("Id")) for each in failed}
    return [receipt for place, receipt in enumerate(batch) if str(place) in places]


def _list(reply: Any, name: str) -> list[dict[str, Any]]:
    """A list in a reply; substitutes for SQS may omit it, or put anything into it."""
    found = reply.get(name) if isinstance(reply, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _count(text: Any) -> int:
    """How often a message was delivered; 1 if the queue does not say."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else 1
