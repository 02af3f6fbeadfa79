"""Settings of shared limits that cannot work are refused."""

from __future__ import annotations

import pytest

from spapi_async.errors import ConfigurationError
from spapi_async.ratelimit.shared._settings import check_settings


@pytest.mark.parametrize(
    ("on_outage", "lease_seconds", "processes", "named"),
    [
        ("wait", 1.0, 1, "on_outage"),
        ("local", 0.0, 1, "lease_seconds"),
        ("local", 60.1, 1, "lease_seconds"),
        ("raise", 1.0, 0, "processes"),
    ],
)
def test_a_setting_that_cannot_work_is_named(on_outage: str, lease_seconds: float, processes: int, named: str) -> None:
    """With the values that are allowed."""
    with pytest.raises(ConfigurationError, match=f"^{named} must be"):
        check_settings(on_outage, lease_seconds, processes)


def test_the_bounds_of_settings_are_allowed() -> None:
    """A process of its own, leases of a minute or of a moment."""
    check_settings("local", 60.0, 1)
    check_settings("raise", 0.001, 1000)
