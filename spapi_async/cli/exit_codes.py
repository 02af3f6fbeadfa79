"""The exit code of a failed command and its error line; pure functions of the error.

====  =========================================================================================
code  meaning
====  =========================================================================================
0     done
1     a bug: an unexpected error
2     usage or configuration: options, environment, arguments; nothing was sent
3     authorisation: Login with Amazon refused, or Amazon answered 401 or 403
4     Amazon refused the request, answered 5xx to every attempt, or sent an unreadable reply;
      or some messages of a feed were refused, or some look-ups of a crawl failed
5     network: no connection, no reply
6     quota: the wait would be longer than allowed, or every attempt was throttled
7     a database or a file failed, standard output was closed, or another process holds a lease
130   interrupted (Ctrl-C)
====  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable

from spapi_async.errors import (
    AuthError,
    ConfigurationError,
    ForbiddenError,
    LeaseError,
    QuotaExceededError,
    RateLimitWaitError,
    SPAPIError,
    TransportError,
)

__all__ = ["API", "DATABASE", "INTERRUPTED", "USAGE", "Interrupted", "describe", "exit_code", "failure_facts"]

BUG, USAGE, AUTH, API, NETWORK, QUOTA, DATABASE, INTERRUPTED = 1, 2, 3, 4, 5, 6, 7, 130


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Ctrl-C, after the command has cleaned up; the message says what is kept."""


# The first matching class decides, so subclasses come first.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (KeyboardInterrupt, INTERRUPTED),
    (Interrupted, INTERRUPTED),
    (ConfigurationError, USAGE),
    (AuthError, AUTH),
    (ForbiddenError, AUTH),
    (RateLimitWaitError, QUOTA),
    (QuotaExceededError, QUOTA),
    (TransportError, NETWORK),
    (LeaseError, DATABASE),
    (SPAPIError, API),
    (ModuleNotFoundError, USAGE),
)


def exit_code(error: BaseException) -> int:
    """The exit code of a failed command."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    # SQLAlchemy is an extra, so its errors are recognised by their module, without an import.
    modules = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    if isinstance(error, OSError):  # a file's; errors of the network are translated into TransportError
        return DATABASE
    return DATABASE if modules & {"sqlalchemy", "asyncpg", "sqlite3"} else BUG


def describe(error: BaseException) -> str:
    """One line for stderr: what failed, what Amazon said, and when to try again."""
    if isinstance(error, KeyboardInterrupt | Interrupted):
        return f"interrupted; {error}" if error.args else "interrupted"
    cause = getattr(error, "orig", None) or error  # SQLAlchemy appends the statement, its values and a link
    if isinstance(cause, OSError) and not isinstance(cause, SPAPIError) and cause.strerror:
        cause = _of_a_file(cause)
    line = " ".join(str(cause).split()) or type(error).__name__
    if exit_code(error) == BUG:
        line = f"{type(error).__name__}: {line} (set SPAPI_ASYNC_TRACEBACK=1 to see where)"
    if isinstance(error, SPAPIError):
        line += _parenthesis(_facts(error, line))
    line = "; ".join([line, *getattr(error, "__notes__", ())])
    # A path or an argument that is not UTF-8 contains lone surrogates, which JSON and many terminals refuse.
    return line.encode("utf-8", "backslashreplace").decode()


def failure_facts(error: BaseException) -> dict[str, object]:
    """The same as a JSON object, without unknown values."""
    facts: dict[str, object] = {
        "type": type(error).__name__,
        "message": describe(error),
        "exit_code": exit_code(error),
    }
    if isinstance(error, SPAPIError):
        for name in ("operation", "request_id", "status", "retry_after", "attempts"):
            facts[name] = getattr(error, name)
    return {name: value for name, value in facts.items() if value is not None}


def _of_a_file(error: OSError) -> str:
    """The system's message without its error number."""
    if isinstance(error, BrokenPipeError):
        return "the program that read the output has ended"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)


def _facts(error: SPAPIError, line: str) -> Iterable[str]:
    if error.status is not None and str(error.status) not in line:
        yield f"HTTP {error.status}"
    if error.attempts is not None and error.attempts > 1:
        yield f"{error.attempts} attempts"
    if error.retry_after is not None:
        yield f"try again in {error.retry_after:.0f} s"


def _parenthesis(facts: Iterable[str]) -> str:
    text = ", ".join(facts)
    return f" ({text})" if text else ""
