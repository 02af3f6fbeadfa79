"""The command line, ``spapi-async``: see ``spapi-async --help``.

Exit codes are listed in :mod:`spapi_async.cli.exit_codes`. Errors are one line on stderr, and with ``--json`` an object
on stdout too; what a command has to say goes to stdout, as a table for people or as JSON for machines.
"""

import os
import sys

TYPE_CHECKING = (
    False  # type checkers know this name; nothing that takes time is imported before Ctrl-C is taken care of
)
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn


def _leave_at_once(*_: object) -> "NoReturn":
    """Ctrl-C while the imports go on, which take half a second: nothing has begun that would have to be tidied up."""
    os.write(2, b"spapi-async: interrupted\n")
    os._exit(130)


try:
    import signal
except KeyboardInterrupt:
    _leave_at_once()

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` asks for and exit with its code."""
    usual = signal.getsignal(signal.SIGINT)
    heeded = usual is signal.default_int_handler  # not where the program was started to be deaf to it
    if heeded:
        signal.signal(signal.SIGINT, _leave_at_once)
    _hold_standard_streams()
    run = _imported()
    if heeded:
        signal.signal(signal.SIGINT, usual)
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # between two lines that take care of it
        _leave_at_once()
    finally:
        if heeded:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said: there is nothing left to interrupt
    sys.exit(_flushed(code))


def _hold_standard_streams() -> None:
    """Where a standard stream was closed, its number must not go to a socket; writing a result to it fails."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            held = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            os.dup2(held, number)
            if held != number:
                os.close(held)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _flushed(code: int) -> int:
    """Write out what is left; the exit code, which is that of a failed file where nobody takes it any more."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter would try again, and complain in its own words
        if code == 0:
            from spapi_async.cli.exit_codes import DATABASE

            sys.stderr.write(f"spapi-async: standard output: {error.strerror}\n")
            return DATABASE
    return code


def _imported() -> "Callable[[Sequence[str]], int]":
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError:
        sys.stderr.write('spapi-async: the command line needs an extra: pip install "spapi-async[cli]"\n')
        sys.exit(2)
    from spapi_async.cli.application import run

    return run
