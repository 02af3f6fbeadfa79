"""The User-Agent header, in the form that Amazon asks for."""

from __future__ import annotations

import platform
import sys

from spapi_async._version import __version__
from spapi_async.errors import (
    ConfigurationError,
)

__all__ = ["user_agent_header"]

# Amazon rejects a longer header (developer-docs.amazon.com/sp-api/docs/include-a-user-agent-header-in-all-requests).
MAX_USER_AGENT = 500


def user_agent_header(application: str | None) -> str:
    """A User-Agent in Amazon's form: ``name/version (Language=…; Platform=…)``.

    Raises:
        ConfigurationError: empty, longer than 500 characters, or not printable ASCII.
    """
    agent = f"spapi_async/{__version__}" if application is None else application
    if not isinstance(agent, str) or not agent.strip():
        raise ConfigurationError(f'user_agent must be like "name/version", not {agent!r}')
    if "(" not in agent:
        python = f"{platform.python_implementation()}/{platform.python_version()}"
        agent = f"{agent} (Language={python}; Platform={platform.system() or sys.platform}/{platform.release()})"
    if len(agent) > MAX_USER_AGENT or not agent.isascii() or not agent.isprintable():
        raise ConfigurationError(f"user_agent must be at most {MAX_USER_AGENT} printable ASCII characters")
    return agent
