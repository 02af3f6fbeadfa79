"""The watch over the suite detects secrets."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from secret_watch import (
    SecretWatch,
    looks_secret,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)


@pytest.mark.parametrize(
    "text",
    ["Atza|abc", "Atc|xyz", "amzn1.oa2-cs.v1.00ff", "https://b.s3/x?X-Amz-Signature=0a1b", "Atzr|IwE", "xMARKx"],
)
def test_secrets_are_recognised(text: str) -> None:
    """Amazon's prefixes identify them."""
    assert looks_secret(text)


@pytest.mark.parametrize("text", ["", "Atzr|", "a token", "X-Amz-Date=2025", "amzn1.sp.solution.1"])
def test_ids_and_headers_are_not_secrets(text: str) -> None:
    """Other text raises no alarm."""
    assert looks_secret(text) is None


def test_a_logged_secret_is_noticed_anywhere_in_a_record() -> None:
    """It may be in the message, its arguments, an extra fact or the error's traceback; the note does not show it."""
    watch, error = SecretWatch(), ValueError("Atz.sprdt|AODFNESL")
    records: list[dict[str, Any]] = [
        {"msg": "got Atza|IwEBI"},
        {"msg": "got %s", "args": ("Atza|IwEBI",)},
        {"msg": "got", "token": "Atza|IwEBI"},
        {"msg": "failed", "exc_info": (ValueError, error, None)},
        {"msg": "a token was renewed"},
    ]
    for number, record in enumerate(records):
        watch.emit(logging.makeLogRecord({"name": f"record {number}", **record}))
    assert {leak.partition(",")[0] for leak in watch.leaks} == {f"record {number}" for number in range(4)}
    assert "IwEBI" not in str(watch.leaks)


@pytest.mark.parametrize(("printed", "outcome"), [("Atzr|IwEBI", "failed"), ("12 orders", "passed")])
def test_a_test_that_prints_a_secret_fails(printed: str, outcome: str) -> None:
    """Both standard output and standard error are watched."""
    report = pytest.TestReport(
        "t", ("t", 0, "t"), {}, "passed", None, "call", sections=[("Captured stdout call", printed)]
    )
    hook = pytest_runtest_makereport()
    next(hook)
    with pytest.raises(StopIteration) as returned:
        hook.send(report)
    assert returned.value.value.outcome == outcome
    assert "IwEBI" not in str(report.longrepr)


@pytest.mark.parametrize("logger", ["spapi_async.engine", "asyncio", "aiohttp.client"])
def test_a_test_that_logs_a_secret_fails(logger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of every level are watched from before its fixtures are made until after they have ended."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # this test is watched, too
    item: Any = SimpleNamespace(stash=pytest.Stash())
    next(pytest_runtest_setup(item))
    teardown = pytest_runtest_teardown(item)
    next(teardown)
    logging.getLogger(logger).debug("got Atza|IwEBI")
    with pytest.raises(AssertionError) as failed:
        teardown.send(None)
    assert "IwEBI" not in str(failed.value)
    assert logging.getLogger().handlers == []
