"""A synchronous Django view, which uses an event loop in a thread of its process; async views need none of this.

Run it: ``pip install django``, ``python examples/sync_code/django_view.py``. It requests the view and contacts only an
emulator of its own.
"""

from contextlib import ExitStack
from functools import cache, partial
from typing import Any

import django
from anyio.from_thread import BlockingPortal, start_blocking_portal
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path

from spapi_async import Application, SellingPartner, SPAPIError, call_options
from spapi_async.emulator import Emulator
from spapi_async.web import problem

STACK = ExitStack()  # closed when the process ends


@cache
def seller() -> tuple[BlockingPortal, SellingPartner]:
    """Made once in each process, at its first request and therefore after the server has forked its workers."""
    portal = STACK.enter_context(start_blocking_portal())
    emulator = STACK.enter_context(portal.wrap_async_context_manager(Emulator(orders=3)))
    app = STACK.enter_context(portal.wrap_async_context_manager(Application("app", "secret", endpoint=emulator.url)))
    return portal, app.selling_partner("Atzr|example", region="NA")


def orders(_: HttpRequest) -> HttpResponse:
    """A synchronous view; an error becomes the same response as with the ASGI middleware."""
    portal, partner = seller()
    search = partial(partner.orders_2026_01_01.search_orders, created_after="2020-01-01")
    try:
        with call_options(max_wait=2.0):
            found = portal.call(search)
    except SPAPIError as error:
        answer = problem(error)
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
    return JsonResponse([order.order_id for order in found.orders], safe=False)


urlpatterns = [path("orders", orders)]


def main() -> None:
    """Request the view as a client would."""
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="made up")  # noqa: S106
    django.setup()
    with STACK:
        answer: Any = Client().get("/orders")
        print(answer.status_code, len(answer.json()), "orders")


if __name__ == "__main__":
    main()
