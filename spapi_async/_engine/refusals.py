"""The errors of calls that Amazon refused, or whose outcome is unknown."""

from __future__ import annotations

from typing import Any

from spapi_async._codec.headers import request_id_of
from spapi_async._codec.response import (
    error_from_reply,
)
from spapi_async._engine.call import Call
from spapi_async._engine.retry import Outcome
from spapi_async._engine.transport import RawReply
from spapi_async.errors import (
    ConnectionFailedError,
    DecodeError,
    OutcomeUnknownError,
    SPAPIError,
    TransportError,
)

__all__ = ["error_of_lost_reply", "outcome_unknown", "refusal"]


def refusal(call: Call[Any], reply: RawReply, outcome: Outcome) -> SPAPIError:
    """The error for a reply that is not 2xx, once no further attempt is made."""
    error = error_from_reply(call.operation, reply.status, reply.headers, reply.body, attempts=call.attempts)
    # Only a 4xx shows that nothing was done: a redirect or a switch of protocols comes from an intermediary.
    if call.operation.idempotent or (outcome is not Outcome.SERVER_ERROR and reply.status >= 400):
        return error
    unknown = outcome_unknown(f"Amazon answered {reply.status}", call, reply)
    unknown.__cause__ = error
    return unknown


def error_of_lost_reply(error: TransportError | DecodeError, call: Call[Any]) -> SPAPIError:
    """The error of a lost or unreadable reply: OutcomeUnknownError if the operation is not idempotent."""
    if isinstance(error, ConnectionFailedError) or call.operation.idempotent:
        return error
    unknown = outcome_unknown(error.message, call)
    unknown.request_id, unknown.status = error.request_id, error.status
    unknown.__cause__ = error if isinstance(error, DecodeError) else error.__cause__
    return unknown


def outcome_unknown(what: str, call: Call[Any], reply: RawReply | None = None) -> OutcomeUnknownError:
    """The error of a call that may have taken effect; ``what`` says what happened."""
    return OutcomeUnknownError(
        f"{what}; the operation may have taken effect: check before repeating it",
        operation=call.operation.name,
        request_id=request_id_of(reply.headers) if reply else None,
        status=reply.status if reply else None,
        attempts=call.attempts,
    )
