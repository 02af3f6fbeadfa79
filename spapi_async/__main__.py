"""``python -m spapi_async``: the command line."""

from __future__ import annotations

from spapi_async.cli import main

if __name__ == "__main__":
    main()
