"""An application opened with the web application and closed with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from spapi_async import Application, SellingPartner

__all__ = ["lifespan"]


def lifespan(
    application: Application, *, sellers: Sequence[SellingPartner] = (), grace: float = 10.0
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """``FastAPI(lifespan=lifespan(application, sellers=[seller]))``; Starlette and Litestar take it likewise.

    Args:
        application: closed at the end; calls under way have ``grace`` seconds to end.
        sellers: their tokens are fetched before the first request, so that it need not wait for them.
        grace: seconds.
    """

    @asynccontextmanager
    async def opened(_: Any) -> AsyncIterator[None]:
        try:
            if sellers:
                await application.warm_up(sellers)
            yield
        finally:
            await application.aclose(grace=grace)

    return opened
