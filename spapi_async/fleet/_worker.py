"""A worker of a fleet: takes slices from the queue, carries them out and notes on the board how they ended."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio

from spapi_async import Application, SellerDirectory, SellingPartner
from spapi_async._core.failures import first_of
from spapi_async.errors import ConfigurationError, LeaseError, LeaseLostError, LWAError, SPAPIError
from spapi_async.fleet._board import Board, Slice
from spapi_async.fleet._board_time import BoardTime
from spapi_async.fleet._jobs import Job
from spapi_async.fleet._policy import Outcome, SellerState, after
from spapi_async.fleet._queue import PAUSE
from spapi_async.workflows._sql import reason
from spapi_async.workflows.orders._lease import new_holder

try:
    from redis.exceptions import RedisError
    from sqlalchemy.exc import StatementError
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a fleet needs an extra: pip install "spapi-async[fleet]"') from error

__all__ = ["Worker"]

logger = logging.getLogger("spapi_async.fleet")


class Worker:
    """Carries out slices.

    Args:
        app: makes the sellers' calls.
        job: what is done for a seller.
        board: the board.
        directory: the sellers.
        slice_seconds: after how many seconds a job is cut off.
        every: seconds between two slices of a seller that is complete.
        quota_in: seconds until a seller's quota allows its next slice.
        reconciled_to: takes what a seller's slice has reconciled, by age.
    """

    def __init__(
        self,
        app: Application,
        job: Job,
        board: Board,
        directory: SellerDirectory,
        *,
        slice_seconds: float,
        every: float,
        quota_in: Callable[[SellingPartner], float],
        reconciled_to: Callable[[str], dict[str, float]],
    ) -> None:
        self._app = app
        self._job = job
        self._board = board
        self._directory = directory
        self._slice = slice_seconds
        self._every = every
        self._quota_in = quota_in
        self._reconciled_to = reconciled_to
        self._rng = random.Random()  # noqa: S311 - jitter
        self._running: set[anyio.CancelScope] = set()
        self._me, self._number = new_holder(), itertools.count(1)

    def stop(self) -> None:
        """Cut off every slice: its seller is still due, and resumes elsewhere."""
        for scope in list(self._running):
            scope.cancel()

    async def slice_of(self, seller: str, due_at: float) -> None:
        """Carry out a slice that was due then, unless another one has been carried out since, or runs now."""
        each = Slice(seller=seller, due_at=due_at, worker=f"{self._me} {next(self._number)}")
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            try:
                # The mark of a queued slice keeps its seller out of the queue: given up, it would delay the next one.
                until = anyio.current_time() + self._board.runs
                if await _patiently(partial(self._board.begin, each), until=until):
                    await self._carry_out(each)
            except RedisError as error:
                # The work is stored, but on the board the seller is still due: its slice is carried out again.
                logger.warning("a slice of %s was not begun, or not noted (%s)", seller, type(error).__name__)
            finally:
                self._running.discard(scope)
                with anyio.CancelScope(shield=True), anyio.move_on_after(PAUSE), contextlib.suppress(RedisError):
                    await self._board.leave(each)

    async def _carry_out(self, each: Slice) -> None:
        began = anyio.current_time()
        outcome, why, seller = await self._outcome(each)
        # In an outage, for as long as the seller is kept: else all is done a second time.
        note = partial(self._board.end, each, self._noting(each.seller, seller, outcome, why))
        if not await _patiently(note, until=began + self._board.runs):
            logger.warning("the board has changed since a slice of %s began; its result is not noted", each.seller)

    async def _listed(self, name: str) -> SellingPartner | None:
        seller = await self._directory.seller(self._app, name)
        if seller is None:
            await self._directory.reload()  # the seller may be new, or newly authorised
            seller = await self._directory.seller(self._app, name)
        return seller

    async def _outcome(self, each: Slice) -> tuple[Outcome, str, SellingPartner | None]:
        """Look the seller up and do the job, in the time of a slice; the seller is kept to it, also while it cleans up.

        A directory that takes all of that time has failed: the job has not begun, and would not begin at once either.
        """
        outcome, why, seller = Outcome.FAILED, "the directory of sellers does not answer", None
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(self._slice) as scope:
                group.start_soon(self._keep, each, scope)
                try:
                    seller = await self._listed(each.seller)
                    if seller is None:
                        outcome = Outcome.REVOKED
                        why = self._directory.revoked.get(each.seller.partition("@")[0], "not in the directory")
                    else:
                        outcome, why = Outcome.CUT_OFF, ""  # unless the job ends by itself
                        outcome, why = await self._done(seller)
                except ConfigurationError as error:
                    why = error.message
            group.cancel_scope.cancel()
        if seller is None and outcome is Outcome.FAILED:
            logger.warning("%s failed: %s", each.seller, why)
        return outcome, why, seller

    async def _done(self, seller: SellingPartner) -> tuple[Outcome, str]:
        """Do the job until it is done or fails."""
        try:
            await self._job(seller)
        except Exception as error:  # noqa: BLE001 - any error concerns only this seller
            return self._judge(seller, error)
        return Outcome.COMPLETE, ""

    async def _keep(self, each: Slice, scope: anyio.CancelScope) -> None:
        """Keep the seller while the slice runs; cut the slice off if another one has the seller."""
        while True:
            await anyio.sleep(self._board.runs / 3)
            with contextlib.suppress(RedisError):  # nobody can begin a slice without Redis either
                if not await self._board.begin(each):
                    scope.cancel()

    def _noting(
        self, name: str, seller: SellingPartner | None, outcome: Outcome, why: str
    ) -> Callable[[SellerState, BoardTime], SellerState]:
        quota_in = 0.0 if seller is None else self._quota_in(seller)
        facts: dict[str, Any] = {"every": self._every, "quota_in": quota_in, "reason": why, "rng": self._rng}
        reconciled_to = self._reconciled_to(name)

        # What it was before the slice does not count: somebody may have changed it meanwhile.
        def note(state: SellerState, now: BoardTime) -> SellerState:
            reached = {age: at + now.ahead for age, at in reconciled_to.items()}
            return after(state, outcome, now=now.at, reconciled_to=reached, **facts)

        return note

    def _judge(self, seller: SellingPartner, error: BaseException) -> tuple[Outcome, str]:
        error = first_of(error)  # a group's type says nothing
        if isinstance(error, LeaseError):
            if isinstance(error, LeaseLostError):
                logger.warning("%s", error)
            return Outcome.HELD, ""
        why = _said(error)
        logger.warning("%s failed: %s", seller.name, why)
        if isinstance(error, LWAError) and self._directory.failed(seller, error):
            return Outcome.REVOKED, why
        return Outcome.FAILED, why


async def _patiently(command: Callable[[], Awaitable[bool]], *, until: float) -> bool:
    """The answer of the board; in an outage of Redis, the command is repeated until then."""
    while True:
        try:
            return await command()
        except RedisError:
            if anyio.current_time() >= until:
                raise
        await anyio.sleep(PAUSE)


def _said(error: BaseException) -> str:
    """The text of an error without personal data: a database's first line has no values; other texts may have any."""
    if isinstance(error, SPAPIError):
        return str(error)
    kind = type(error).__name__
    return f"{kind}: {reason(error)}" if isinstance(error, StatementError) else kind
