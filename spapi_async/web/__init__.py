"""For web backends that share quota with jobs: errors as HTTP answers, and a middleware for any ASGI application.

::

    app = FastAPI()
    app.add_middleware(SPAPIMiddleware, application=application, max_wait=2.0)

Inside a request every call has the priority INTERACTIVE and waits no longer than ``max_wait`` for quota. An error of
the library becomes an ``application/problem+json`` response, 503 with ``Retry-After`` if quota is short. When a client
disconnects, its calls are cancelled. ``/health`` shows the state of the application's parts, ``/metrics`` its metrics.

``lifespan`` opens and closes the application with the web application, ``json_response`` responds with structs,
``aiohttp_middleware`` and ``litestar_handlers`` are for frameworks that need their own integration.
"""

from spapi_async.web._frameworks import aiohttp_middleware, litestar_handlers
from spapi_async.web._json import json_response
from spapi_async.web._lifespan import lifespan
from spapi_async.web._middleware import SPAPIMiddleware
from spapi_async.web._problem import Problem, problem

__all__ = [
    "Problem",
    "SPAPIMiddleware",
    "aiohttp_middleware",
    "json_response",
    "lifespan",
    "litestar_handlers",
    "problem",
]
