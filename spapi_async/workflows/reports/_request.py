"""Checks a request for a report and splits its window into those that Amazon allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from spapi_async._core.arguments import check_moment
from spapi_async.errors import ConfigurationError
from spapi_async.workflows.reports.report_types import Covers, ReportType
from spapi_async.workflows.runs import checked_options

__all__ = [
    "NoData",
    "check_no_data",
    "requests_for",
    "split_window",
    "wire_time",
]

NoData = Literal["error", "empty", "latest"]
"""How to treat a report that Amazon cancelled because there is no data."""


def requests_for(
    kind: ReportType,
    marketplaces: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    options: Mapping[str, str] | None,
    *,
    now: datetime,
) -> list[dict[str, Any]]:
    """The bodies of createReport, one for each window that the type allows, in order.

    Raises:
        ConfigurationError: Amazon would refuse the request, or make a report that covers nothing.
    """
    if not kind.name.strip():
        raise ConfigurationError("report_type is empty")
    if kind.requestable is False:
        raise ConfigurationError(
            f"{kind.name} cannot be requested, because Amazon makes it by itself: read it with"
            " reports.iter_available or reports.latest"
        )
    _check_window(kind, start, end)
    windows: list[tuple[datetime | None, datetime | None]] = [(start, end)]
    if start is not None and kind.longest is not None and (end or now) - start > kind.longest:
        if not kind.is_joinable:
            raise ConfigurationError(
                f"{kind.name} covers {kind.longest.days} days at most, and several files of "
                f"{'its format' if kind.format is None else kind.format.upper()} cannot be read as one: request each "
                "window separately"
            )
        windows = [*split_window(start, end or now, kind.longest)]
    return [_request(kind, marketplaces, *window, options) for window in windows]


def split_window(start: datetime, end: datetime, longest: timedelta) -> list[tuple[datetime, datetime]]:
    """The window as consecutive parts, none longer than ``longest``; each ends where the next begins.

    Parts are counted from the start, so that they stay the same when the end moves on. Amazon does not document whether
    a window includes its end: a row of exactly that second may appear twice, but is never missing.
    """
    windows, begin = [], start
    while end - begin > longest:
        windows.append((begin, begin + longest))
        begin += longest
    windows.append((begin, end))
    return windows


def check_no_data(kind: ReportType, no_data: str, *, windowed: bool, parts: int) -> None:
    """Refuse a ``no_data`` that could give wrong results.

    Raises:
        ConfigurationError: an existing inventory would be read as empty, or a report of another window be mixed in.
    """
    if no_data not in ("error", "empty", "latest"):
        raise ConfigurationError(f'no_data must be "error", "empty" or "latest", not {no_data!r}')
    if no_data == "empty" and kind.shows_state:
        raise ConfigurationError(
            f'no_data="empty" is for reports of events: {kind.name} shows how things are, and Amazon also cancels it '
            'if it is requested again too soon; use no_data="latest"'
        )
    if no_data == "empty" and not windowed:
        raise ConfigurationError('no_data="empty" needs start and end: it means that nothing happened between them')
    if no_data == "latest" and parts > 1:
        raise ConfigurationError(
            f'no_data="latest" is for a single report, and this window needs {parts}: request shorter windows'
        )


def wire_time(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_window(kind: ReportType, start: datetime | None, end: datetime | None) -> None:
    for name, moment in (("start", start), ("end", end)):
        if moment is not None:
            check_moment(name, moment)
    if start is None and (end is not None or kind.covers is Covers.EVENTS):
        # dataStartTime and dataEndTime both default to now (Reports model 2021-06-30).
        raise ConfigurationError(f"{kind.name} needs start: without it the window begins and ends now, and is empty")
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"start {wire_time(start)} is not before end {wire_time(end)}")


def _request(
    kind: ReportType,
    marketplaces: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    options: Mapping[str, str] | None,
) -> dict[str, Any]:
    request: dict[str, Any] = {"reportType": kind.name, "marketplaceIds": list(marketplaces)}
    if start is not None:
        request["dataStartTime"] = wire_time(start)
    if end is not None:
        request["dataEndTime"] = wire_time(end)
    if options:
        request["reportOptions"] = checked_options(options)
    return request
