"""What requests for reports and for feeds have in common."""

from __future__ import annotations

from spapi_async.workflows.runs import type_groups


def test_one_list_of_jobs_filters_by_ten_types_at_most() -> None:
    """Each type is in one group, however many requests have it."""
    types = [f"TYPE_{number:02d}" for number in range(23)]
    groups = type_groups([{"reportType": name} for name in [*types, *types]], "reportType")
    assert [len(group) for group in groups] == [10, 10, 3]
    assert [name for group in groups for name in group] == types
