"""The command line, ``spapi-async``: see ``spapi-async --help``.

Exit codes are listed in :mod:`spapi_async.cli.exit_codes`. Errors are one line on stderr; what a command has to say
goes to stdout, as a table for people or, with ``--json``, as JSON for machines.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` asks for and exit with its code."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:  # while the imports go on, which take a second or more on a busy machine
        sys.stderr.write("spapi-async: interrupted\n")
        sys.exit(130)


def _run() -> int:
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError:
        sys.stderr.write('spapi-async: the command line needs an extra: pip install "spapi-async[cli]"\n')
        return 2
    from spapi_async.cli.application import run

    return run(sys.argv[1:])
