"""Application Management 2023-11-30: rotates the client secret and sends the new one by notification."""

from __future__ import annotations

from spapi_async.emulator.data.world import Call, Handler
from spapi_async.emulator.gateway.replies import Reply

__all__ = ["HANDLERS"]


def _rotate(call: Call) -> Reply:
    call.world.lwa.rotate(call.token.application)
    return Reply(status=204)


HANDLERS: dict[str, Handler] = {"application_management_2023_11_30.rotate_application_client_secret": _rotate}
