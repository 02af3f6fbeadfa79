"""The command line, ``spapi-async``: see ``spapi-async --help``.

Exit codes are listed in :mod:`spapi_async.cli.exit_codes`. An error is one line on stderr and, with ``--json``, also an
object on stdout. The result of a command goes to stdout, as a table or, with ``--json``, as JSON.
"""

import os
import sys

# Type checkers know this name. It is not imported from typing, because Ctrl-C must be handled before anything slow is
# imported.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn


def _leave_at_once(*_: object) -> "NoReturn":
    """Handle Ctrl-C during the imports, which take half a second and leave nothing to clean up."""
    os.write(2, b"spapi-async: interrupted\n")
    os._exit(130)


try:
    import signal
except KeyboardInterrupt:
    _leave_at_once()

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` asks for and exit with its code."""
    original = signal.getsignal(signal.SIGINT)
    handles_interrupts = original is signal.default_int_handler  # False if the program was started to ignore Ctrl-C
    if handles_interrupts:
        signal.signal(signal.SIGINT, _leave_at_once)
    _hold_standard_streams()
    run = _imported()
    if handles_interrupts:
        signal.signal(signal.SIGINT, original)
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before run() handles it, or after
        _leave_at_once()
    finally:
        if handles_interrupts:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command has ended: there is nothing left to interrupt
    sys.exit(_flushed(code))


def _hold_standard_streams() -> None:
    """Open a closed standard stream on the null device, so that no socket gets its number; writing a result fails."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            held = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            os.dup2(held, number)
            if held != number:
                os.close(held)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _flushed(code: int) -> int:
    """Flush stdout and return the exit code, which becomes that of a file error if stdout cannot be written to."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter tries again and prints its own error
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
