"""One seller from the environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Unpack

from spapi_async._client.application import Application, SellingPartner
from spapi_async._client.options import ApplicationOptions
from spapi_async._client.settings import Environment, read_environment
from spapi_async.errors import ConfigurationError

__all__ = ["connect"]


@asynccontextmanager
async def connect(
    environ: Mapping[str, str] | None = None, **options: Unpack[ApplicationOptions]
) -> AsyncIterator[SellingPartner]:
    """One seller from the environment; its application is closed at the end of the block.

    Reads ``SP_API_REFRESH_TOKEN``, ``LWA_APP_ID``, ``LWA_CLIENT_SECRET``, ``SP_API_REGION`` or ``SP_API_MARKETPLACE``,
    ``SP_API_SELLER_ID`` and ``SP_API_ENDPOINT`` if set. Options are those of :class:`Application`.

    Raises:
        ConfigurationError: a variable is missing or cannot work.
    """
    variables = Environment(environ)
    del environ  # it holds secrets, and an error that passes through here would show it
    refresh_token, _, _ = read_environment(variables, ("SP_API_REFRESH_TOKEN", "LWA_APP_ID", "LWA_CLIENT_SECRET"))
    region, marketplace = variables.get("SP_API_REGION") or None, variables.get("SP_API_MARKETPLACE") or None
    if region is None and marketplace is None:
        raise ConfigurationError("set SP_API_REGION or SP_API_MARKETPLACE")
    async with Application.from_variables(variables, options) as app:
        seller_id = variables.get("SP_API_SELLER_ID") or None
        yield app.selling_partner(refresh_token, region=region, marketplace=marketplace, seller_id=seller_id)
