"""The connections under test."""

from collections.abc import AsyncIterator

import pytest

from spapi_async._engine.transport import SessionPool, Timeout


@pytest.fixture
async def pool() -> AsyncIterator[SessionPool]:
    """Connections with timeouts that no busy machine reaches."""
    pool = SessionPool(user_agent="test/1", timeout=Timeout(connect=60, read=60, total=60))
    yield pool
    await pool.aclose()
