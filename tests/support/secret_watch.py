"""Watches the whole suite for secrets: every log record at DEBUG, and everything that a test prints.

It is a plugin of pytest, which ``tests/conftest.py`` registers. A test during which something that looks like a token,
a client secret or a presigned URL's signature is logged or printed fails, whatever else it tests. Tests that plant
secrets of their own mark them with ``MARK``.
"""

import logging
import re
import traceback
from collections.abc import Generator

import pytest

__all__ = [
    "SecretWatch",
    "looks_secret",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
]

_LOGGERS = [logging.getLogger(name) for name in ("spapi_async", "asyncio", "aiohttp")]

# Prefixes of Login with Amazon's tokens and of client secrets, and the signature of a presigned URL.
_SECRET = re.compile(r"(Atz[ar]|Atc|Atz\.sprdt)\|[\w+/=|-]{3}|amzn1\.oa2-cs\.|X-Amz-Signature=\w|MARK(?!ETPLACE)")


def looks_secret(text: str) -> str | None:
    """The kind of secret in the text, by how it begins; empty if there is none."""
    found = _SECRET.search(text)
    return found.group()[:8] if found else None


class SecretWatch(logging.Handler):
    """A log handler that records where a secret was logged, but not the secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at the message, its facts and its traceback."""
        shown = [record.getMessage(), str(vars(record))]
        if record.exc_info and record.exc_info[1]:
            shown += traceback.format_exception(record.exc_info[1])
        for kind in filter(None, map(looks_secret, shown)):
            self.leaks.append(f"{record.name}, {record.pathname}:{record.lineno}: {kind}…")


_WATCH = pytest.StashKey[SecretWatch]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Watch what the test and its fixtures log, at any level."""
    watch = item.stash[_WATCH] = SecretWatch()
    for logger in _LOGGERS:
        if logger.level != logging.DEBUG:  # each change clears the level caches of all loggers
            logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(watch)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail the test during which a secret was logged."""
    watch = item.stash[_WATCH]
    try:
        yield
    finally:
        logging.getLogger().removeHandler(watch)
    assert watch.leaks == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test that prints a secret."""
    report = yield
    if report.passed:
        for title, content in report.sections:
            kind = looks_secret(content)
            if kind:
                report.outcome = "failed"
                report.longrepr = f"{title} shows a secret: {kind}…"
    return report
