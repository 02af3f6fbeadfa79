"""An application, with everything that its sellers share, and handles on selling partners."""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, Unpack

from spapi_async._client.handle import Handle
from spapi_async._client.options import ApplicationOptions
from spapi_async._client.settings import (
    Environment,
    check_at_least_one,
    check_choices,
    check_client,
    check_parts,
    check_proxy,
    check_refresh_token,
    check_seller_id,
    checked_client_secret,
    checked_grace,
    checked_retry,
    checked_timeout,
    choose_region,
    read_environment,
)
from spapi_async._client.unclosed import begin_work, name_of, when_forgotten
from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.closing import uncancelled
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import Observer, Observers
from spapi_async._core.health import Health
from spapi_async._core.journal import RunStore
from spapi_async._core.limiter import LimitSnapshot, RateLimiter
from spapi_async._core.plan_rules import PlanRule, checked_rules
from spapi_async._core.recent import Recent
from spapi_async._core.resources import Closing, Resources
from spapi_async._engine.pipeline import Pipeline
from spapi_async._engine.retry import RetryPolicy
from spapi_async._engine.transport import MAX_REPLY_SIZE, SessionPool, Timeout, user_agent_header
from spapi_async.credentials import Account, Grant, Secret, as_secret
from spapi_async.errors import ClosedError, ConfigurationError
from spapi_async.marketplaces import Marketplace, Region

if TYPE_CHECKING:
    from spapi_async.auth import Authorization, DelegatedToken, NewClientSecret, RestrictedResource, TokenStore

__all__ = ["Application", "SellingPartner"]

# Any scope would do: it only marks an account without a seller, and each grantless operation uses its own scope.
_NO_SELLER = "sellingpartnerapi::notifications"


class SellingPartner(Handle):
    """A handle on one selling partner in one region, or on no seller (:meth:`Application.grantless`).

    It contains only a key into the application's shared state: make and discard as many as you like.
    Each API version is an attribute, such as ``seller.orders_2026_01_01``, and is imported when it is first used.
    """

    __slots__ = ("_application",)

    def __init__(
        self,
        application: Application,
        account: Account,
        seller_id: str | None = None,
        marketplace: Marketplace | None = None,
    ) -> None:
        super().__init__(application._pipeline, application._resources, account, seller_id, marketplace)  # noqa: SLF001
        self._application = application

    @property
    def application(self) -> Application:
        """The application this handle belongs to."""
        return self._application


class Application:
    """A registered SP-API application: everything its sellers share.

    These are an aiohttp session for each region, the rate limiter and the token caches. Use it as
    ``async with Application(...) as app`` or call :meth:`aclose`. Like every asyncio object, it belongs to one event
    loop at a time and cannot be used from a second thread.

    Args:
        client_id: the application's LWA client id.
        client_secret: its LWA client secret.
        endpoint: replaces every region's API host and the token host (emulator, proxy).
        sandbox: call Amazon's sandbox hosts.
        limiter: a rate limiter to use instead of an in-process one, such as ``RedisRateLimiter``; closed with the
            application.
        plan_rules: limits that depend on an argument, in addition to those that Amazon has published.
        tokens: where tokens are shared between processes, such as ``RedisTokenStore``; closed with the application. In
            memory by default.
        journal: where reports, feeds and queries are recorded before they are requested, so that a restarted process
            finds them: ``Journal`` of ``spapi_async.workflows.journal``; closed with the application. In memory by
            default.
        retry: when and how often to repeat a request.
        timeout: bounds of one HTTP exchange; a number is the total in seconds.
        decoding: ``"lenient"`` tolerates fields that break the model; ``"strict"`` raises DecodeError.
        user_agent: your ``name/version``; Amazon asks for one.
        observers: functions that are called with every event, such as ``Throttled`` and ``CallFinished``.
        connections: the largest number of open connections per region; 1 or more.
        max_reply_size: the largest reply in bytes, after decompression; a larger one raises DecodeError.
        proxy: URL of an HTTP proxy for all requests.
        ssl: a context with your own certificate authorities.
        trust_env: read ``HTTPS_PROXY`` and similar variables; ``~/.netrc`` is never read.
        clock: the source of time.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | Secret,
        *,
        endpoint: str | None = None,
        sandbox: bool = False,
        limiter: RateLimiter | None = None,
        plan_rules: Iterable[PlanRule] = (),
        tokens: TokenStore | None = None,
        journal: RunStore | None = None,
        retry: RetryPolicy | None = None,
        timeout: Timeout | float | None = None,
        decoding: Literal["lenient", "strict"] = "lenient",
        user_agent: str | None = None,
        observers: Iterable[Observer] = (),
        connections: int = 100,
        proxy: str | None = None,
        ssl: ssl_module.SSLContext | None = None,
        trust_env: bool = False,
        max_reply_size: int = MAX_REPLY_SIZE,
        clock: Clock | None = None,
    ) -> None:
        # From here on no local variable contains the secret as text, so no traceback can show it.
        client_secret = as_secret(client_secret or "", "client_secret")
        check_client(client_id, client_secret)
        check_at_least_one(connections=connections, max_reply_size=max_reply_size)
        check_proxy(proxy)
        check_choices(decoding=decoding, sandbox=sandbox, trust_env=trust_env)
        check_parts(limiter=limiter, tokens=tokens, journal=journal, clock=clock, ssl=ssl)
        self.client_id = client_id
        self.limiter: RateLimiter
        self._endpoint = endpoint
        self._seller_ids: Recent[str, str] = Recent()  # by credential and region; the first one given stays
        called = Observers(observers)
        clock = clock or SystemClock()
        endpoints = Endpoints(endpoint, sandbox=sandbox)
        self._pool = SessionPool(
            user_agent=user_agent_header(user_agent),
            timeout=checked_timeout(timeout),
            connections=connections,
            proxy=proxy,
            ssl=ssl,
            trust_env=trust_env,
            forgotten=when_forgotten(client_id),
            what=name_of(client_id),
            max_reply_size=max_reply_size,
        )
        self._resources = Resources(self._pool, called, clock, endpoints, journal)
        # Imported here, so that a process that never makes an application (a web worker, a test run) does not load it.
        from spapi_async.auth import Authenticator
        from spapi_async.ratelimit import LocalRateLimiter

        self.limiter = LocalRateLimiter() if limiter is None else limiter
        self.limiter.bind(clock=clock, observers=called, rules=checked_rules(plan_rules, of_amazon=True))
        self._auth = Authenticator(
            client_id=client_id,
            client_secret=client_secret,
            endpoints=endpoints,
            exchange=self._pool.exchange,
            create_restricted_token=self._create_restricted_token,
            store=tokens,
            clock=clock,
            observers=called,
        )
        self._pipeline = Pipeline(
            limiter=self.limiter,
            tokens=self._auth,
            pool=self._pool,
            endpoints=endpoints,
            retry=checked_retry(retry),
            clock=clock,
            observers=called,
            strict=decoding == "strict",
            what=name_of(client_id),
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Unpack[ApplicationOptions]) -> Application:
        """An application from ``LWA_APP_ID``, ``LWA_CLIENT_SECRET`` and, if set, ``SP_API_ENDPOINT``.

        Raises:
            ConfigurationError: a variable is missing.
        """
        variables = Environment(environ)
        del environ  # it holds secrets, and an error that passes through here would show it
        return cls.from_variables(variables, options)

    @classmethod
    def from_variables(cls, variables: Environment, options: ApplicationOptions) -> Self:
        """Like :meth:`from_env`, but from variables whose repr shows none of them."""
        client_id, client_secret = read_environment(variables, ("LWA_APP_ID", "LWA_CLIENT_SECRET"))
        options.setdefault("endpoint", variables.get("SP_API_ENDPOINT") or None)
        return cls(client_id.reveal(), client_secret, **options)

    def selling_partner(
        self,
        refresh_token: str | Secret,
        *,
        region: Region | str | None = None,
        marketplace: Marketplace | str | None = None,
        seller_id: str | None = None,
    ) -> SellingPartner:
        """A handle on the selling partner that granted this refresh token, in a region or a marketplace's region.

        Look-ups such as ``seller.catalog.item`` use that marketplace, and some need the ``seller_id``.

        Raises:
            ConfigurationError: no region, an unknown one, or one that does not serve the marketplace; or this refresh
                token was used with another ``seller_id`` before.
        """
        refresh_token = as_secret(refresh_token, "refresh_token")  # from here on no local variable shows it
        grant = Grant.refresh_token(self.client_id, check_refresh_token(refresh_token))
        begin_work(self.client_id, self._pipeline)
        default = None if marketplace is None else Marketplace.parse(marketplace)
        return self._handle(Account(grant, choose_region(region, marketplace), seller_id), seller_id, default)

    def _handle(self, account: Account, seller_id: str | None, marketplace: Marketplace | None) -> SellingPartner:
        """A handle on a seller; all handles with the same credential have the same seller id."""
        known = self._seller_ids.get(account.key)
        if seller_id is None and known is not None:
            account = Account(account.grant, account.region, known)
        elif seller_id is not None:
            check_seller_id(seller_id)
            if known is None:
                self._seller_ids.put(account.key, seller_id)
            elif known != seller_id:
                raise ConfigurationError(
                    f"this credential was used with seller_id {known!r} before, so it cannot belong to {seller_id!r}: "
                    "each refresh token belongs to one seller"
                )
        return SellingPartner(self, account, seller_id or known, marketplace)

    def delegated(self, restricted_data_token: str | Secret, *, region: Region | str) -> SellingPartner:
        """A handle whose calls carry a restricted data token that another application delegated to this one.

        The selling partner need not have authorised this application. The token lives for an hour.
        """
        restricted_data_token = as_secret(restricted_data_token, "restricted_data_token")
        grant = Grant.restricted_data_token(self.client_id, restricted_data_token)
        return SellingPartner(self, Account(grant, Region.parse(region)))

    def grantless(self, *, region: Region | str) -> SellingPartner:
        """A handle for operations that need no seller, such as ``notifications_v1.create_destination``."""
        return SellingPartner(self, Account(Grant.scope(self.client_id, _NO_SELLER), Region.parse(region)))

    def limits(self) -> tuple[LimitSnapshot, ...]:
        """Every limit in use, of usage plans and of rules: rate, burst, available tokens, waiting calls."""
        return self.limiter.limits()

    async def health(self, *, probe: bool = False) -> Health:
        """The outcome of the last use of the limiter, the token store, Login with Amazon and the Selling Partner API.

        Args:
            probe: send a request to each host now, without a token, outside every usage plan; otherwise send nothing.
        """
        from spapi_async._client import health

        if probe and not self.closed:
            await health.probe_hosts(self._pool, self._resources.endpoints)
        return Health(
            limiter=health.limiter_part(self.limiter),
            token_store=self._auth.store_health(),
            lwa=health.lwa_part(self._pool),
            amazon=health.amazon_part(self._pool),
            closed=self.closed,
        )

    def authorization_url(
        self,
        application_id: str,
        marketplace: Marketplace | str,
        *,
        state: str,
        redirect_uri: str | None = None,
        vendor: bool = False,
        beta: bool = False,
    ) -> str:
        """The URL of the page on which a selling partner of a marketplace authorises this application.

        ``state`` comes from :func:`spapi_async.auth.new_state`; check the one that comes back with ``verify_state``.
        ``vendor`` picks Vendor Central; ``beta`` is needed while the application is a draft.
        Source: developer-docs.amazon.com/sp-api/docs/website-authorization-workflow.

        Raises:
            ConfigurationError: an argument that Amazon would refuse on its page.
        """
        from spapi_async.auth import authorization_url

        return authorization_url(
            application_id,
            marketplace,
            state=state,
            redirect_uri=redirect_uri,
            vendor=vendor,
            beta=beta,
            endpoint=self._endpoint,
        )

    async def exchange_code(self, code: str | Secret, redirect_uri: str | None = None) -> Authorization:
        """Exchange the code from a selling partner's browser for a refresh token; a code works once, for 5 minutes.

        Raises:
            LWAError: ``invalid_grant`` if the code was used, has expired or belongs to another application.
        """
        code = as_secret(code or "", "code")
        return await self._auth.exchange_code(code, redirect_uri)

    def replace_client_secret(self, new: str | Secret | NewClientSecret) -> None:
        """Use a rotated client secret from now on; calls under way do not fail because of it.

        ``new`` is the secret, or the result of :func:`spapi_async.auth.parse_secret_notification`.

        Raises:
            ConfigurationError: ``new`` is not a client secret, or the notification is about another application.
        """
        self._auth.replace_client_secret(checked_client_secret(self.client_id, new))

    async def delegate(
        self, seller: SellingPartner, resources: Sequence[RestrictedResource], *, target_application: str
    ) -> DelegatedToken:
        """A restricted data token of a seller for another application, which sends it as its access token.

        :func:`spapi_async.auth.restricted_resource` makes a resource; at most 50 are possible.
        Source: developer-docs.amazon.com/sp-api/docs/delegate-authorization.

        Raises:
            ConfigurationError: no resources, or too many.
            BadRequestError: Amazon knows no such application, or this one may not read such data.
        """
        return await self._auth.delegate(seller._account, resources, target_application=target_application)  # noqa: SLF001

    @property
    def closed(self) -> bool:
        """Whether :meth:`aclose` has been called: further calls are refused."""
        return self._pipeline.closed

    async def warm_up(self, sellers: Iterable[SellingPartner]) -> None:
        """Fetch the tokens of many sellers in advance, ten at a time, so that first calls need not wait for them.

        Raises:
            AuthError: the first token that could not be fetched; raised after all others have been tried.
        """
        await self._auth.warm_up([seller._account for seller in sellers])  # noqa: SLF001

    async def aclose(self, grace: float = 0.0) -> None:
        """Close sessions, tokens and the limiter; calls that are still waiting raise ClosedError.

        New calls are refused. Calls under way have ``grace`` seconds to end, including retries and waits. An iteration
        over pages raises ClosedError before its next page and can be resumed from its cursor.

        Raises:
            ConfigurationError: ``grace`` is not a number of seconds; nothing is closed.
        """
        await self._pipeline.drain(checked_grace(grace))
        for kept in list(self._resources.shared.values()):
            if isinstance(kept, Closing):
                kept.close()
        self._resources.shared.clear()
        async with AsyncExitStack() as closing:  # closes in reverse order, and the others even if one fails
            for part in (self._resources.journal, self._pool, self._auth, self.limiter):
                if part is not None:
                    closing.push_async_callback(part.aclose)

    async def __aenter__(self) -> Self:
        if self.closed:
            raise ClosedError("the application is closed")
        return self

    async def __aexit__(self, *_: object) -> None:
        with uncancelled():
            await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Application cannot be pickled: make one in each process")

    def __repr__(self) -> str:
        return f"<Application {self.client_id}>"

    async def _create_restricted_token(self, account: Account, body: Mapping[str, Any]) -> Any:
        from spapi_async.api.tokens_2021_03_01 import CREATE_RESTRICTED_DATA_TOKEN

        # The call that needs this token is under way, so this request is allowed even while the application closes.
        response = await self._pipeline.send_for_another(account, CREATE_RESTRICTED_DATA_TOKEN, {"body": body})
        return response.body
