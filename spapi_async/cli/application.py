"""The root of the command line: its commands, and the only place that turns an error into a line and an exit code."""

from __future__ import annotations

import functools
import inspect
import io
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated

import typer

from spapi_async import _version
from spapi_async._core.failures import first_of
from spapi_async.cli import (
    call,
    changes,
    crawl,
    demo,
    doctor,
    emulator,
    feed,
    fleet,
    keys,
    kiosk,
    limits,
    notifications,
    operations,
    plan,
    report,
    sync,
)
from spapi_async.cli.exit_codes import (
    DATABASE,
    INTERRUPTED,
    USAGE,
    Interrupted,
    describe,
    exit_code,
    failure_facts,
)
from spapi_async.cli.logs import LogFormat, begin_logging, end_logging, is_logging
from spapi_async.cli.output import print_json
from spapi_async.errors import ConfigurationError

__all__ = ["app", "command", "run"]

app = typer.Typer(
    name="spapi-async",
    help="Amazon's Selling Partner API from the command line.",
    epilog=(
        "Credentials come from the environment: LWA_APP_ID, LWA_CLIENT_SECRET, SP_API_REFRESH_TOKEN, SP_API_REGION or "
        "SP_API_MARKETPLACE, SP_API_SELLER_ID, SP_API_ENDPOINT; HTTPS_PROXY is honoured. "
        "Exit codes: 0 done, 1 bug, 2 usage or configuration, 3 authorisation, "
        "4 refused by Amazon, 5 network, 6 quota, 7 database, 130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _help(command: Callable[..., object] | None) -> str:
    """The command's docstring with each paragraph on one line, so that the terminal wraps it."""
    paragraphs = inspect.cleandoc(getattr(command, "__doc__", None) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _add(group: typer.Typer, name: str) -> None:
    """Add a command that has subcommands."""
    for command in group.registered_commands:
        command.help = _help(command.callback)
    app.add_typer(group, name=name)


_ANY_OPTION = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command("demo", help=_help(demo.demo))(demo.demo)
_add(sync.app, "sync")
_add(plan.app, "plan")
app.command("changes", help=_help(changes.changes))(changes.changes)
_add(keys.app, "keys")
_add(report.app, "report")
app.command("feed", help=_help(feed.feed))(feed.feed)
app.command("kiosk", help=_help(kiosk.kiosk))(kiosk.kiosk)
app.command("crawl", help=_help(crawl.crawl))(crawl.crawl)
app.command("call", help=_help(call.call), context_settings=_ANY_OPTION)(call.call)
app.command("operations", help=_help(operations.operations))(operations.operations)
app.command("limits", help=_help(limits.limits))(limits.limits)
_add(notifications.app, "notifications")
_add(doctor.app, "doctor")
_add(fleet.app, "fleet")
app.command("emulator", help=_help(emulator.emulator))(emulator.emulator)


def _version_asked(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        typer.echo(f"spapi-async {_version.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version_asked, is_eager=True, help="Print the version.")
    ] = False,
    log_format: Annotated[
        LogFormat | None,
        typer.Option("--log-format", help="Log to stderr as JSON lines: every call, and the library's warnings."),
    ] = None,
) -> None:
    """Amazon's Selling Partner API from the command line."""
    if log_format is not None:
        begin_logging()


@functools.cache
def command() -> typer.core.TyperGroup:
    """The parser of all commands; it is made once, since it takes 30 ms to read their signatures."""
    return typer.main.get_group(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; any error is printed as one line on stderr."""
    # Most of the library's log records only repeat an error that is printed anyway. The loggers below are printed,
    # because their warnings, for instance about an outage of Redis, appear in no error: the command continues.
    logging.getLogger("spapi_async").addHandler(logging.NullHandler())
    for name in ("spapi_async.auth", "spapi_async.fleet", "spapi_async.ratelimit", "spapi_async.workflows.orders.plan"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _Line) for handler in logger.handlers):
            logger.addHandler(_Line(logging.WARNING))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode gets "?", not an error after the work
            stream.reconfigure(errors="replace")
    try:
        result = command().main(args=list(arguments), prog_name="spapi-async", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(as_json="--json" in arguments)
    except SystemExit:  # typer exits so if the reader of the output has gone, as in `| head`: print nothing
        return DATABASE
    except Exception as error:  # noqa: BLE001 - any error becomes one line
        return _failed(error, as_json="--json" in arguments)
    finally:
        end_logging()
    if result == INTERRUPTED:  # typer returns this after a Ctrl-C outside of an event loop
        return _interrupted(as_json="--json" in arguments)
    return result if isinstance(result, int) else 0


def _interrupted(*, as_json: bool) -> int:
    if as_json:
        _print_failure(Interrupted())
    return _say("interrupted", INTERRUPTED)


def _failed(error: Exception, *, as_json: bool) -> int:
    if os.environ.get("SPAPI_ASYNC_TRACEBACK"):
        traceback.print_exception(error)
    usage = getattr(error, "format_message", None)
    if usage is not None:  # an error of the parser; these classes differ between versions of typer
        message = " ".join(str(usage()).split())
        context = getattr(error, "ctx", None)
        if not message:  # no command was given, and the help has been printed
            return USAGE
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        if as_json:
            _print_failure(ConfigurationError(message))
        return _say(f"{message}{hint}", USAGE)
    first = first_of(error)
    if as_json:
        _print_failure(first)
    return _say(describe(first), exit_code(first))


def _print_failure(error: BaseException) -> None:
    with suppress(OSError):  # stdout may be what failed: the line on stderr says so
        print_json({"error": failure_facts(error)})


class _Line(logging.Handler):
    """Prints a warning as one line on stderr, like an error."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_logging():
            return  # as JSON
        _say(record.getMessage(), 0)


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"spapi-async: {message}\n")
    return code
