"""Opens and closes an application with the web application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from spapi_async import Application, AuthError, SellingPartner, TransportError

__all__ = ["lifespan"]

logger = logging.getLogger("spapi_async.web")


def lifespan(
    application: Application, *, sellers: Sequence[SellingPartner] = (), grace: float = 10.0
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """``FastAPI(lifespan=lifespan(application, sellers=[seller]))``; the same for Starlette and Litestar.

    Args:
        application: closed at the end; calls under way have ``grace`` seconds to end.
        sellers: their tokens are fetched before the first request, so that it need not wait for them. Tokens that
            cannot be fetched are logged.
        grace: seconds for calls under way.
    """

    @asynccontextmanager
    async def opened(_: Any) -> AsyncIterator[None]:
        try:
            if sellers:
                await _warm_up(application, sellers)
            yield
        finally:
            await application.aclose(grace=grace)

    return opened


async def _warm_up(application: Application, sellers: Sequence[SellingPartner]) -> None:
    """Fetch the tokens that can be fetched; a revoked grant or an outage must not stop the web application."""
    try:
        await application.warm_up(sellers)
    except (AuthError, TransportError) as error:
        more = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        logger.warning("a token could not be fetched in advance: %s%s", error, more)
