"""Where a call's token comes from, as the pipeline sees it."""

from __future__ import annotations

from typing import Any, Protocol

from spapi_async._core.operation import Operation
from spapi_async._core.request import Request
from spapi_async.credentials import Account, Secret

__all__ = ["Tokens"]


class Tokens(Protocol):
    """Gives each call the token it must carry (``auth.Authenticator``)."""

    async def token(
        self, operation: Operation[Any], account: Account, request: Request, *, data_elements: tuple[str, ...]
    ) -> Secret:
        """The token this call must carry: LWA or restricted."""

    def rejected(
        self, token: Secret, operation: Operation[Any], account: Account, reply_body: bytes, *, request: Request
    ) -> bool:
        """Retire a token that Amazon refused; whether a fresh one may help."""

    def learn(self, operation: Operation[Any], body: Any) -> None:
        """Take note of what a reply says about later calls' tokens."""
