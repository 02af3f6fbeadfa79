"""Fixtures of the whole suite."""

from secret_watch import pytest_runtest_makereport, watch_for_secrets
from servers import postgres_server, postgres_url, redis_chaos, redis_server, redis_url

__all__ = [
    "postgres_server",
    "postgres_url",
    "pytest_runtest_makereport",
    "redis_chaos",
    "redis_server",
    "redis_url",
    "watch_for_secrets",
]
