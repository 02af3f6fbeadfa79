"""Fixtures of the command line's tests. Used as a plugin, so that tests need not import them by name."""

from __future__ import annotations

from servers import redis_server, redis_url

__all__ = ["redis_server", "redis_url"]
