"""For web backends that share quota with jobs: errors as HTTP answers, and a middleware for any ASGI application.

::

    app = FastAPI()
    app.add_middleware(SPAPIMiddleware, application=application, max_wait=2.0)

Inside a request every call is INTERACTIVE and waits for quota no longer than ``max_wait``; what it raises becomes
``application/problem+json``, 503 with ``Retry-After`` where quota is short; a client that goes away takes its calls
along.
"""

from spapi_async.web._middleware import SPAPIMiddleware
from spapi_async.web._problem import Problem, problem

__all__ = ["Problem", "SPAPIMiddleware", "problem"]
