"""What exception reporters print of an error; tests put marks into secrets and personal data, and none may be shown."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from hostile_campaign import locals_shown
from rich.traceback import Traceback
from structlog.tracebacks import ExceptionDictTransformer

__all__ = ["MARK", "REPORTERS", "assert_no_secret", "error_of", "with_capture_locals"]

MARK = "MARK-"


def with_capture_locals(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def with_rich(error: BaseException) -> str:
    """What rich shows of the frames, without the colours of the code around them."""
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=100_000, locals_max_length=1_000
    )
    frames = [frame for stack in trace.stacks for frame in stack.frames]
    assert any(frame.locals for frame in frames)
    shown = [f"{name}={value}" for frame in frames for name, value in (frame.locals or {}).items()]
    return "\n".join([*shown, *(stack.exc_value for stack in trace.stacks)])


def with_structlog(error: BaseException) -> str:
    transform = ExceptionDictTransformer(show_locals=True, locals_max_string=100_000)
    return json.dumps(transform((type(error), error, error.__traceback__)), default=repr)


REPORTERS: list[Callable[[BaseException], str]] = [with_capture_locals, with_rich, with_structlog, locals_shown]


def assert_no_secret(
    error: BaseException, what: str, reporters: list[Callable[[BaseException], str]] = REPORTERS
) -> None:
    """No reporter shows a mark; a failure names the place and not the secret."""
    for reporter in reporters:
        shown = reporter(error)
        at = shown.find(MARK)
        assert at < 0, f"{what}, {reporter.__name__}: …{shown[max(0, at - 200) : at]}"


async def error_of(call: Awaitable[Any]) -> BaseException | None:
    """What a call raises."""
    try:
        await call
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    return None
