"""Fixtures of the whole suite."""

from secret_watch import pytest_runtest_makereport, watch_for_secrets

__all__ = ["pytest_runtest_makereport", "watch_for_secrets"]
