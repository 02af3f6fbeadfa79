"""No secret is shown anywhere: marked secrets are planted, and everything that can be shown is searched for them."""

import asyncio
import copy
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from spapi_async._client.application import Application
from spapi_async._core.events import Event
from spapi_async._core.options import call_options
from spapi_async._engine.retry import RetryPolicy
from spapi_async.auth import parse_secret_notification, read_redirect
from spapi_async.credentials import Account, Grant, Secret
from spapi_async.emulator import Emulator
from spapi_async.errors import SPAPIError
from spapi_async.marketplaces import Region

CLIENT_SECRET = "MARK-client-secret"
REFRESH_TOKEN = "Atzr|MARK-refresh-token"
WITHDRAWN = "Atzr|revoked-MARK-refresh-token"
CODE = "MARK-authorization-code"


class Stage:
    """An emulator and an application between which everything fails once."""

    def __init__(self, emulator: Emulator, app: Application) -> None:
        self.emulator = emulator
        self.app = app
        self.events: list[Event] = []
        self.errors: list[BaseException] = []
        self.order = ""
        self.buyer = ""

    @property
    def orders(self) -> Any:
        """The seller's orders."""
        return self.app.selling_partner(REFRESH_TOKEN, region=Region.NA).orders_v0

    async def attempt(self, call: Awaitable[object]) -> None:
        """Make a call and keep its error."""
        try:
            await call
        except SPAPIError as error:
            self.errors.append(error)

    def secrets(self) -> set[str]:
        """What must not be shown: planted marks, every token that was issued, a buyer's name."""
        issued = set(self.emulator.tokens)
        assert any(token.startswith("Atz.sprdt|") for token in issued)
        return {"MARK", self.buyer, *issued, *(token[-40:] for token in issued)}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A stage on which retries are quick."""
    retry = RetryPolicy(base=0.001)
    events: list[Event] = []
    async with (
        Emulator(orders=30, rate_scale=10_000, applications={"app": CLIENT_SECRET}) as emulator,
        Application("app", CLIENT_SECRET, endpoint=emulator.url, retry=retry, observers=[events.append]) as app,
    ):
        stage = Stage(emulator, app)
        stage.events = events
        page = await stage.orders.get_orders(marketplace_ids=["ATVPDKIKX0DER"], created_after="2020-01-01T00:00:00Z")
        stage.order = page.orders[0].amazon_order_id
        address = (await stage.orders.get_order_address(stage.order)).shipping_address
        stage.buyer = address.name
        assert len(stage.buyer) > 3
        yield stage


FAULTS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "tokens expired": [{"expire_tokens": True}],
    "tokens revoked": [{"revoke_tokens": True}],
    "forbidden": [{"operation": "orders_v0.get_order_address", "status": 403, "times": 9}],
    "server error": [{"operation": "orders_v0.get_order_address", "status": 500, "times": 9}],
    "page of a proxy": [{"operation": "orders_v0.get_order_address", "status": 503, "body": "<html>", "times": 9}],
    "truncated": [{"operation": "orders_v0.get_order_address", "truncate": True, "times": 9}],
    "not json": [{"operation": "orders_v0.get_order_address", "body": "<html>", "times": 9}],
    "hung up": [{"operation": "orders_v0.get_order_address", "disconnect": "after", "times": 9}],
    "too slow": [{"operation": "orders_v0.get_order_address", "delay": 300, "times": 9}],
    "no restricted token": [
        {"operation": "tokens_2021_03_01.create_restricted_data_token", "status": 400, "times": 9},
        {"expire_tokens": True},
    ],
    "lwa refuses": [{"operation": "lwa", "status": 400, "times": 9}, {"expire_tokens": True}],
    "lwa page": [{"operation": "lwa", "body": "<html>", "times": 9}, {"expire_tokens": True}],
    "lwa hung up": [{"operation": "lwa", "disconnect": "before", "times": 1}, {"expire_tokens": True}],
    "withdrawn": [{"revoke_refresh_token": REFRESH_TOKEN}],
}


def everything_an_error_shows(error: BaseException) -> list[str]:
    """Its message, repr, facts, traceback with chain and notes, pickle and copy."""
    again = pickle.loads(pickle.dumps(error))
    facts = {name: value for name, value in vars(error).items() if name != "raw"}  # the caller's own data
    return [
        *(str(error), repr(error), str(facts)),
        "".join(traceback.format_exception(error)),
        pickle.dumps(error).decode("latin-1"),
        *(repr(again), str(vars(again)), repr(copy.copy(error))),
    ]


def assert_no_secret(shown: list[str], secrets: set[str]) -> None:
    """None of the secrets is in the text; a failure names the place and not the secret."""
    leaks = [text[:60] for text in shown for secret in secrets if secret in text]
    assert leaks == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_shows_a_secret(stage: Stage, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Logs at DEBUG, errors with their chains, pickles, events and reprs hold none, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    stage.emulator.faults(*FAULTS[fault])
    with call_options(timeout=0.3 if fault == "too slow" else 60.0):
        await stage.attempt(stage.orders.get_order_address(stage.order))
        await stage.attempt(stage.orders.get_order(stage.order, data_elements=["buyerInfo"]))
    shown = [text for error in stage.errors for text in everything_an_error_shows(error)]
    shown += [f"{record.getMessage()} {record.exc_text} {vars(record)}" for record in caplog.records]
    shown += [repr(stage.events), pickle.dumps(stage.events).decode("latin-1")]
    parts = (stage.app, *vars(stage.app).values(), stage.orders)
    shown += [text for part in parts for text in (repr(part), str(part), repr(getattr(part, "__dict__", "")))]
    assert_no_secret(shown, stage.secrets())
    assert bool(stage.errors) == (fault not in ("nothing", "tokens expired", "tokens revoked", "lwa hung up"))


REFUSED: dict[str, Callable[[Application], Awaitable[object]]] = {
    "withdrawn refresh token": lambda app: app.selling_partner(WITHDRAWN, region="na").orders_v0.get_order("1-2-3"),
    "bad refresh token": lambda app: app.selling_partner("MARK", region="na").orders_v0.get_order("1-2-3"),
    "bad code": lambda app: app.exchange_code(CODE),
    "bad code, secret": lambda app: app.exchange_code(Secret(CODE), "https://x.example/back?MARK"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_credential_is_not_shown(stage: Stage, case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Refresh tokens and codes that Amazon refuses are in no error and no log."""
    caplog.set_level(logging.DEBUG)
    await stage.attempt(REFUSED[case](stage.app))
    (error,) = stage.errors
    assert_no_secret([*everything_an_error_shows(error), caplog.text], {"MARK"})


async def test_a_wrong_client_secret_is_not_shown(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the refused one nor its replacement is shown."""
    caplog.set_level(logging.DEBUG)
    async with Application("app", "MARK-wrong", endpoint=stage.emulator.url) as app:
        app.replace_client_secret("MARK-also-wrong")
        await stage.attempt(app.selling_partner(REFRESH_TOKEN, region="na").orders_v0.get_order("1-2-3"))
        assert_no_secret([*everything_an_error_shows(stage.errors[0]), caplog.text, repr(vars(app))], {"MARK"})


NEW_SECRET = {"payload": {"applicationOAuthClientNewSecret": {"clientId": "c", "newClientSecret": "MARK"}}}
HOLDERS: dict[str, Callable[[], object]] = {
    "Secret": lambda: Secret("MARK"),
    "Grant": lambda: Grant.refresh_token("app", "Atzr|MARK"),
    "Account": lambda: Account(Grant.refresh_token("app", "Atzr|MARK"), Region.NA),
    "NewClientSecret": lambda: parse_secret_notification(NEW_SECRET),
    "Consent": lambda: read_redirect("https://x/?state=s&spapi_oauth_code=MARK", expected_state="s"),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_secret_is_neither_shown_nor_pickled(name: str) -> None:
    """Repr, str, format and the repr of a container hide it; reveal() returns it."""
    holder = HOLDERS[name]()
    assert_no_secret([repr(holder), str(holder), f"{holder}", f"{[holder]}", repr({holder})], {"MARK"})
    with pytest.raises(TypeError):
        pickle.dumps(holder)


async def test_tasks_that_fetch_tokens_show_no_secret(stage: Stage) -> None:
    """Debuggers and asyncio's own messages print tasks."""
    stage.emulator.faults({"expire_tokens": True}, {"operation": "lwa", "delay": 0.1})
    call = asyncio.create_task(stage.orders.get_order(stage.order))
    names: list[str] = []
    while not any("spapi-async token" in name for name in names):
        assert not call.done()
        await asyncio.sleep(0)
        names = [repr(task) for task in asyncio.all_tasks()]
    assert_no_secret(names, stage.secrets())
    await call
