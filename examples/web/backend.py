"""A web backend in several processes that shares one seller's quota with jobs, through Redis.

Run it: ``SP_API_REDIS=redis://localhost uvicorn backend:api --workers 2``, with the credentials in the environment
(``LWA_APP_ID``, ``LWA_CLIENT_SECRET``, ``SP_API_REFRESH_TOKEN``, ``SP_API_REGION``). A job on another host that uses
the same Redis, with ``call_options(priority=Priority.BULK)``, gets the quota that these requests leave.
"""

import os
from typing import Any

from fastapi import FastAPI

from spapi_async import Application
from spapi_async.observe.prometheus import Metrics
from spapi_async.ratelimit import RedisRateLimiter
from spapi_async.web import SPAPIMiddleware, json_response, lifespan

metrics = Metrics()
application = Application.from_env(limiter=RedisRateLimiter(os.environ["SP_API_REDIS"]), observers=[metrics])
metrics.watch(application)
seller = application.selling_partner(os.environ["SP_API_REFRESH_TOKEN"], region=os.environ["SP_API_REGION"])

api = FastAPI(lifespan=lifespan(application, sellers=[seller]))
api.add_middleware(SPAPIMiddleware, application=application, max_wait=2.0, exposition=metrics.exposition)


@api.get("/orders/{order_id}")
async def order(order_id: str) -> Any:
    """One order, or 404; without quota 503 with the seconds to wait."""
    return json_response((await seller.orders_2026_01_01.get_order(order_id)).order)


@api.get("/marketplaces")
async def marketplaces() -> Any:
    """The seller's marketplaces."""
    return json_response(await seller.sellers_v1.get_marketplace_participations())
