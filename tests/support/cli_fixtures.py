"""Fixtures of the command line's tests. Used as a plugin, so that tests need not import them by name."""

from __future__ import annotations

import pytest
from servers import redis_server, redis_url

__all__ = ["redis_server", "redis_url", "terminal_with_credentials"]


@pytest.fixture
def terminal_with_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, and a wide, plain terminal."""
    monkeypatch.setenv("LWA_APP_ID", "amzn1.application-oa2-client.tests")
    monkeypatch.setenv("LWA_CLIENT_SECRET", "a-made-up-secret")
    monkeypatch.setenv("SP_API_REFRESH_TOKEN", "Atzr|cli-tests")
    monkeypatch.setenv("SP_API_REGION", "NA")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("SP_API_MARKETPLACE", "SP_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
