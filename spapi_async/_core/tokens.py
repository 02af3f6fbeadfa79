"""The source of a call's token, as the pipeline uses it."""

from __future__ import annotations

from typing import Any, Protocol

from spapi_async._core.operation import Operation
from spapi_async._core.request import Request
from spapi_async.credentials import Account, Secret

__all__ = ["Tokens"]


class Tokens(Protocol):
    """Chooses the token of each call (``auth.Authenticator`` implements this)."""

    async def token(
        self, operation: Operation[Any], account: Account, request: Request, *, data_elements: tuple[str, ...]
    ) -> Secret:
        """The token that this call must carry: an access token or a restricted data token."""

    def rejected(
        self, token: Secret, operation: Operation[Any], account: Account, reply_body: bytes, *, request: Request
    ) -> bool:
        """Retire a token that Amazon refused; returns whether repeating the call with a new one may help."""

    def learn(self, operation: Operation[Any], body: Any) -> None:
        """Remember what a reply says about the tokens of later calls."""
