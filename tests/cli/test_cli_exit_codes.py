"""Errors as exit codes and as one line."""

from __future__ import annotations

import pytest

from spapi_async import errors
from spapi_async._core.failures import first_of
from spapi_async.cli.exit_codes import describe, exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("x"), 2),
        (ModuleNotFoundError("x"), 2),
        (errors.LWAError("x", code="invalid_grant"), 3),
        (errors.ForbiddenError("x"), 3),
        (errors.BadRequestError("x"), 4),
        (errors.ServerError("x"), 4),
        (errors.DecodeError("x"), 4),
        (errors.ConnectionFailedError("x"), 5),
        (errors.OutcomeUnknownError("x"), 5),
        (errors.RateLimitWaitError("x"), 6),
        (errors.QuotaExceededError("x"), 6),
        (PermissionError(13, "Permission denied", "report.tsv"), 7),
        (OSError(28, "No space left on device"), 7),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_each_kind_of_failure_has_its_code(error: BaseException, code: int) -> None:
    """Scripts can tell a bad setting, a refused token and short quota apart."""
    assert exit_code(error) == code


def test_no_error_of_the_library_has_the_code_of_a_bug() -> None:
    """Each class of the tree has another one."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, errors.SPAPIError):
            assert exit_code(kind.__new__(kind)) != 1, name


def test_a_database_error_is_known_without_sqlalchemy() -> None:
    """The name of its module identifies it, so that the command line need not import a database."""
    sqlite3 = pytest.importorskip("sqlite3")
    assert exit_code(sqlite3.OperationalError("disk I/O error")) == 7


def test_description_is_one_line_with_the_facts() -> None:
    """It has operation, request id, message, status, attempts and when to try again."""
    error = errors.ServerError(
        "Amazon\nfailed", operation="orders_v0.get_order", request_id="r-1", status=503, attempts=4, retry_after=2.4
    )
    line = describe(error)
    assert line == "orders_v0.get_order [r-1]: Amazon failed (HTTP 503, 4 attempts, try again in 2 s)"


def test_notes_follow_the_error() -> None:
    """Notes of a command (what is stored, how to continue) are on the same line."""
    error = errors.ConnectionFailedError("no route")
    error.add_note("3 orders are stored")
    assert describe(error) == "no route; 3 orders are stored"


def test_a_bug_names_its_class_and_how_to_see_more() -> None:
    """An unforeseen error is still one line."""
    assert describe(ZeroDivisionError("division by zero")).startswith("ZeroDivisionError: division by zero (")


def test_a_file_that_failed_is_named() -> None:
    """The message is the system's, without its numbers."""
    assert describe(PermissionError(13, "Permission denied", "report.tsv")) == "report.tsv: Permission denied"
    assert describe(OSError(28, "No space left on device")) == "No space left on device"
    assert describe(BrokenPipeError(32, "Broken pipe")) == "the program that read the output has ended"


def test_the_first_error_of_nested_groups_is_described() -> None:
    """Task groups wrap errors of their tasks."""
    cause = errors.NotFoundError("x")
    nested: BaseException = BaseExceptionGroup("a", [BaseExceptionGroup("b", [cause])])
    assert first_of(nested) is cause
