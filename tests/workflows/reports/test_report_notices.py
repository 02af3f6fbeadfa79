"""Which reports a notification speaks of, however it was packed on its way."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from spapi_async.workflows.reports._notices import report_ids

NOTICE = {
    "notificationType": "REPORT_PROCESSING_FINISHED",
    "payload": {"reportProcessingFinishedNotification": {"reportId": "54517018502", "processingStatus": "DONE"}},
}


class Parsed:
    payload = NOTICE["payload"]


@pytest.mark.parametrize(
    "message",
    [
        NOTICE,
        json.dumps(NOTICE),
        json.dumps(NOTICE, indent=2).encode(),
        {"MessageId": "m", "Body": json.dumps(NOTICE)},
        {"Type": "Notification", "Message": json.dumps({"Body": json.dumps(NOTICE)})},
        {"Payload": {"ReportProcessingFinishedNotification": {"ReportId": "54517018502"}}},
        Parsed(),
    ],
)
def test_the_report_is_found(message: Any) -> None:
    """In SQS and SNS envelopes, in either casing, parsed or not."""
    assert report_ids(message) == ["54517018502"]


@pytest.mark.parametrize("message", ["", b"\xff\xfe", None, 5, object(), {"a": object()}, {"feedId": "1"}, "[" * 9999])
def test_other_messages_speak_of_none(message: Any) -> None:
    """They wake nobody and break nothing."""
    assert report_ids(message) == []


def test_a_hostile_message_takes_no_time() -> None:
    """Backslashes and quotes without end are passed over once."""
    started = time.process_time()
    report_ids('\\"reportId\\":' * 200_000)
    report_ids("\\" * 3_000_000)
    assert time.process_time() - started < 5
