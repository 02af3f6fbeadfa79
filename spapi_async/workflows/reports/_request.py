"""What is asked of createReport, checked and cut into windows that Amazon takes: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from spapi_async.errors import ConfigurationError
from spapi_async.marketplaces import Marketplace, Region
from spapi_async.workflows.reports.report_types import Covers, ReportType

__all__ = [
    "MOST_MARKETPLACES",
    "NoData",
    "check_moment",
    "check_no_data",
    "marketplace_ids",
    "requests_for",
    "split_window",
    "wire_time",
]

NoData = Literal["error", "empty", "latest"]
"""What a report that was cancelled for want of data becomes."""

MOST_MARKETPLACES = 25  # CreateReportSpecification.marketplaceIds


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
        ConfigurationError: what Amazon would refuse, or would answer with a report that covers nothing.
    """
    if not kind.name.strip():
        raise ConfigurationError("report_type is empty")
    if kind.requestable is False:
        raise ConfigurationError(
            f"{kind.name} cannot be requested: Amazon makes it; read it with reports.iter_available or reports.latest"
        )
    _check_window(kind, start, end)
    windows: list[tuple[datetime | None, datetime | None]] = [(start, end)]
    if start is not None and kind.longest is not None and (end or now) - start > kind.longest:
        if not kind.is_joinable:
            raise ConfigurationError(
                f"{kind.name} covers {kind.longest.days} days at most, and several files of "
                f"{'its format' if kind.format is None else kind.format.upper()} cannot be read as one: ask for each "
                "window by itself"
            )
        windows = [*split_window(start, end or now, kind.longest)]
    return [_request(kind, marketplaces, *window, options) for window in windows]


def split_window(start: datetime, end: datetime, longest: timedelta) -> list[tuple[datetime, datetime]]:
    """The window as consecutive ones, none longer than ``longest``, each ending where the next begins.

    Counted from the start: the cuts of a window whose end moves on stay where they are. Whether Amazon counts the end
    itself in is not documented; a row of the very second of a cut appears twice rather than never.
    """
    windows, at = [], start
    while end - at > longest:
        windows.append((at, at + longest))
        at += longest
    windows.append((at, end))
    return windows


def marketplace_ids(
    marketplaces: Sequence[Marketplace | str], region: Region, *, most: int = MOST_MARKETPLACES
) -> list[str]:
    """Ids of the marketplaces, given as members, ids or countries.

    Raises:
        ConfigurationError: none, too many, an unknown one, or one of another region.
    """
    if isinstance(marketplaces, str):
        marketplaces = [marketplaces]
    places = [Marketplace.parse(place) for place in marketplaces]
    if not places or len(places) > most:
        raise ConfigurationError(f"name 1 to {most} marketplaces, not {len(places)}")
    for place in places:
        if place.region is not region:
            raise ConfigurationError(
                f"{place.name} is served by {place.region.name}, this seller's region is {region.name}"
            )
    return list(dict.fromkeys(place.value for place in places))


def check_no_data(kind: ReportType, no_data: str, *, windowed: bool, parts: int) -> None:
    """Refuse a wish for which there is no honest answer.

    Raises:
        ConfigurationError: it would read a snapshot as empty, or mix windows.
    """
    if no_data not in ("error", "empty", "latest"):
        raise ConfigurationError(f'no_data must be "error", "empty" or "latest", not {no_data!r}')
    if no_data == "empty" and kind.shows_state:
        raise ConfigurationError(
            f'no_data="empty" is for reports of events: {kind.name} shows how things are, and Amazon cancels it '
            'although there is data when it is asked for again too soon; use no_data="latest"'
        )
    if no_data == "empty" and not windowed:
        raise ConfigurationError('no_data="empty" needs start and end: it says that nothing happened between them')
    if no_data == "latest" and parts > 1:
        raise ConfigurationError(f'no_data="latest" cannot stand in for one of {parts} windows')


def check_moment(name: str, moment: datetime) -> None:
    """Refuse a time that could mean any of 24 hours.

    Raises:
        ConfigurationError: it has no time zone, or is no datetime.
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigurationError(f"{name} must be a datetime with a time zone, not {moment!r}")


def wire_time(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_window(kind: ReportType, start: datetime | None, end: datetime | None) -> None:
    for name, moment in (("start", start), ("end", end)):
        if moment is not None:
            check_moment(name, moment)
    if start is None and (end is not None or kind.covers is Covers.EVENTS):
        # dataStartTime and dataEndTime both default to now (Reports model 2021-06-30).
        raise ConfigurationError(f"{kind.name} needs start (and end): without them it covers the present moment alone")
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
        for name, value in options.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise ConfigurationError(f"report options are text: {name!r} is {value!r}")
        request["reportOptions"] = dict(options)
    return request
