"""The messages of an open queue: handed out, kept invisible, deleted, put back, set aside.

A message is deleted only when the loop comes back for the next one. Until then its visibility is extended; a reader
that is killed leaves it to reappear.
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
from spapi_async.errors import ConfigurationError, DecodeError, TransportError
from spapi_async.workflows.notifications._notification import Notification, parse
from spapi_async.workflows.notifications._sqs_errors import translated

__all__ = ["LONGEST_VISIBILITY", "Handling", "Messages", "QueuedNotification"]

logger = logging.getLogger("spapi_async.workflows.notifications")

LONGEST_VISIBILITY = 12 * 3600  # of SQS
_BATCH = 10  # SQS hands out, extends and deletes at most so many at once
_IDLE = 1.0  # seconds until a queue is asked again that said at once that it is empty
_LONGEST_PAUSE = 30.0  # between two attempts while the queue cannot be reached
_OUT_OF_THE_WAY = 3600  # seconds that a message without another queue to go to is hidden
_ASIDE_LATER = 60  # seconds until a message is set aside again whose own queue cannot be reached
_CLOSING = 5.0  # seconds for putting messages back when the block ends

# The one personal member in Amazon's schemas of notifications (ORDER_CHANGE), in either casing. In what SNS and Lambda
# wrap, its quotes are escaped, once for each wrapping.
_POSTAL_CODE = re.compile(r'((\\{0,31})"destinationPostalCode\2"\s{0,9}:\s{0,9})\2"[^"\\]{0,99}\2"', re.IGNORECASE)


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """How messages are handled: see :class:`SqsQueue`."""

    url: str
    wait: int
    visibility: int
    tries: int
    set_aside: str | None


class _Hold:
    """One message that this reader has, as SQS knows it, and what is to become of it."""

    __slots__ = ("body", "done", "receipt", "retry_after", "tries")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.receipt: str = entry["ReceiptHandle"]
        self.body = str(entry.get("Body") or "")
        attributes = entry.get("Attributes")
        self.tries = _count(attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None)
        self.done = False
        self.retry_after: int | None = None


class QueuedNotification(Notification, frozen=True, kw_only=True):
    """A notification out of a queue.

    Attributes:
        tries: how often the queue has handed it out, this time included.
    """

    tries: int = 1
    _hold: _Hold

    def done(self) -> None:
        """Delete it even if the loop ends here; otherwise it is deleted when the loop asks for the next one."""
        self._hold.done = True

    def retry(self, after: float = 0) -> None:
        """Put it back when the loop asks for the next one; it reappears after so many seconds."""
        self._hold.retry_after = min(max(0, round(after)), LONGEST_VISIBILITY)


class Messages:
    """What an open queue hands out: an async iterable of :class:`QueuedNotification`."""

    def __init__(self, client: Any, handling: Handling, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._url = handling.url
        self._how = handling
        self._held: dict[str, _Hold] = {}  # everything that must stay invisible, by receipt
        self._waiting: deque[QueuedNotification] = deque()
        self._handled: list[str] = []  # receipts to delete
        self._returned: list[_Hold] = []  # to become visible again
        self._poison: deque[tuple[_Hold, str]] = deque()  # to set aside, and why
        self._receiving = asyncio.Lock()
        self._telling = asyncio.Lock()  # what SQS hears of messages in hand, in order: its last word counts
        self.set_aside = 0
        self._extending = asyncio.create_task(self._extend_for_ever())

    def __aiter__(self) -> _Loop:
        return _Loop(self)

    def __repr__(self) -> str:
        return f"<Messages of {self._url}: {len(self._held)} in hand, {self.set_aside} set aside>"

    async def _next(self) -> QueuedNotification:
        while True:
            if not self._waiting:
                async with self._receiving:
                    if not self._waiting:
                        await self._settle()
                        await self._receive()
            if self._waiting:  # another loop may have been quicker
                return self._waiting.popleft()

    def _finished(self, hold: _Hold, *, handled: bool) -> None:
        """The loop has come back for the next message, or ended without."""
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
                        WaitTimeSeconds=self._how.wait,
                        VisibilityTimeout=self._how.visibility,
                        MessageSystemAttributeNames=["ApproximateReceiveCount"],
                    )
                break
            except TransportError as error:  # whoever listens for weeks outlives an outage
                logger.warning("%s; trying again in %.0f s", error, pause)
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        found = [entry for entry in _list(reply, "Messages") if isinstance(entry.get("ReceiptHandle"), str)]
        for entry in found:
            self._take(_Hold(entry))
        if not found and self._clock.monotonic() - asked_at < _IDLE:  # what stands in for SQS may not wait
            await self._clock.sleep(_IDLE)
        while self._poison:
            await self._put_aside(*self._poison[0])
            self._poison.popleft()  # only now: a reader that is cancelled leaves it to the next

    def _take(self, hold: _Hold) -> None:
        """A message has come: to be handed out, or to be set aside."""
        self._held[hold.receipt] = hold
        if hold.tries > self._how.tries:
            self._poison.append((hold, f"handed out {hold.tries - 1} times and never finished"))
            return
        try:
            found = parse(hold.body)
        except DecodeError as error:
            self._poison.append((hold, error.message))
            return
        facts = {name: getattr(found, name) for name in found.__struct_fields__}
        self._waiting.append(QueuedNotification(**facts, tries=hold.tries, _hold=hold))

    async def _put_aside(self, hold: _Hold, why: str) -> None:
        """Out of the way of the others: into the queue for such messages, or out of sight."""
        where = self._how.set_aside or f"this queue, hidden for {_OUT_OF_THE_WAY} s"
        logger.error("a message of %s was set aside (%s): %s", self._url, where, why)
        if self._how.set_aside is None:
            hold.retry_after = _OUT_OF_THE_WAY
        else:
            try:
                with translated():
                    await self._client.send_message(
                        QueueUrl=self._how.set_aside, MessageBody=_without_personal(hold.body)
                    )
                hold.done = True
            except TransportError as error:  # it reappears, and is set aside then
                logger.warning("a message could not be set aside yet: %s", error)
                hold.retry_after = _ASIDE_LATER
        self.set_aside += self._how.set_aside is None or hold.done
        self._finished(hold, handled=False)

    async def _settle(self) -> None:
        """Delete what has been handled and put back what has not; what fails now is tried again the next time."""
        async with self._telling:
            await self._settle_in_turn()

    async def _settle_in_turn(self) -> None:
        returned, self._returned = self._returned, []
        for hold in returned:
            self._held.pop(hold.receipt, None)
            if hold.done and hold.retry_after is None:  # said after its loop was left
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
        """Keep what is in hand invisible to other readers; what was handled is deleted before it reappears."""
        while True:
            await self._clock.sleep(self._how.visibility / 3)
            try:
                async with self._telling:
                    await self._settle_in_turn()
                    await self._change_visibility([(receipt, self._how.visibility) for receipt in self._held])
            except (TransportError, ConfigurationError) as error:  # then messages may reappear, and be handled twice
                logger.warning("the visibility of messages could not be extended: %s", error)

    async def _change_visibility(self, wanted: Sequence[tuple[str, int]]) -> None:
        for start in range(0, len(wanted), _BATCH):
            entries = [
                {"Id": str(place), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                for place, (receipt, seconds) in enumerate(wanted[start : start + _BATCH])
            ]
            with translated():
                await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    async def _close(self) -> None:
        """Delete what was handled; the rest reappears at once."""
        settled = {hold.receipt for hold in self._returned}
        for hold in list(self._held.values()):
            if hold.receipt not in settled:
                self._finished(hold, handled=False)
        self._extending.cancel()
        with anyio.move_on_after(_CLOSING, shield=True), contextlib.suppress(TransportError, ConfigurationError):
            await asyncio.wait([self._extending])
            await self._settle()


class _Loop:
    """One loop over the messages; the message before is finished when the next is asked for."""

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
        # The loop was left in the middle of a message, by an exception or by break: nobody knows whether it is done.
        self._end(handled=False)


def _without_personal(body: str) -> str:
    """A message as it may be kept for as long as it takes somebody to look at it."""
    return _POSTAL_CODE.sub(r"\1null", body)


def _entries(receipts: Iterable[str]) -> list[dict[str, str]]:
    return [{"Id": str(place), "ReceiptHandle": receipt} for place, receipt in enumerate(receipts)]


def _failed(reply: Any, batch: Sequence[str]) -> list[str]:
    """Those of a batch that SQS did not delete and may delete another time."""
    failed = [each for each in _list(reply, "Failed") if not each.get("SenderFault")]
    if failed:
        logger.warning("%d handled messages could not be deleted yet: SQS %s", len(failed), failed[0].get("Code"))
    places = {str(each.get("Id")) for each in failed}
    return [receipt for place, receipt in enumerate(batch) if str(place) in places]


def _list(reply: Any, name: str) -> list[dict[str, Any]]:
    """A list of a reply, which an endpoint that is not quite SQS may have left out or filled with anything."""
    found = reply.get(name) if isinstance(reply, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _count(text: Any) -> int:
    """How often a message was handed out; once, where the queue does not say."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 10 else 1
