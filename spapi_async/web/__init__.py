"""For web backends that share quota with jobs: errors as HTTP answers, and a middleware for any ASGI application.

::

    app = FastAPI()
    app.add_middleware(SPAPIMiddleware, application=application, max_wait=2.0)

Inside a request every call is INTERACTIVE and waits for quota no longer than ``max_wait``; what it raises becomes
``application/problem+json``, 503 with ``Retry-After`` where quota is short; a client that goes away takes its calls
along. ``/health`` says how the parts of the application fare, ``/metrics`` what they did.

``lifespan`` opens and closes the application with the web application, ``json_response`` answers with structs,
``aiohttp_middleware`` and ``litestar_handlers`` are for frameworks that need something of their own.
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
