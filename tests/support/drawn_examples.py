"""A pytest plugin that records which examples Hypothesis tried: ``-p drawn_examples --drawn=FILE``."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis.internal.conjecture.data import ConjectureData

_current = ""
_drawn: dict[str, Any] = defaultdict(lambda: hashlib.blake2b(digest_size=16))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--drawn", help="the file: a digest of all examples for each test")


def pytest_configure() -> None:
    freeze = ConjectureData.freeze

    def note(self: ConjectureData) -> None:
        if not self.frozen:
            _drawn[_current].update(repr(self.choices).encode())
        freeze(self)

    ConjectureData.freeze = note  # type: ignore[method-assign]


def pytest_runtest_setup(item: pytest.Item) -> None:
    global _current  # noqa: PLW0603 - Hypothesis does not say for which test it draws
    _current = item.nodeid


def pytest_sessionfinish(session: pytest.Session) -> None:
    digests = {test: digest.hexdigest() for test, digest in _drawn.items()}
    Path(session.config.getoption("drawn")).write_text(json.dumps(digests))
