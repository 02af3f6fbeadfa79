"""Which token a call carries, and what happens when Amazon refuses the token.

===========================================  ===========================================
call                                         token
===========================================  ===========================================
a seller's operation                         access token of the seller's refresh token
a grantless operation                        access token of the operation's scope
an operation restricted always               restricted token, for the path template
orders v0 with ``data_elements``             restricted token, for template and elements
report document, type known as restricted    restricted token, for that document
report document, type unknown                access token; once denied, restricted token
anything through ``app.delegated(...)``      the restricted token that was delegated
Orders 2026-01-01, everything in a sandbox   access token
===========================================  ===========================================

A token is fetched at its first use and renewed in the background when 3 to 6 % of its lifetime are left. Besides, an
access token is replaced once when a 401 or 403 says that it has expired or was revoked, and a restricted token once
when it is refused for any reason; a replacement that is refused within a minute is not replaced again. A grant that
Login with Amazon refuses is not sent again for a minute.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec

from spapi_async._core.clock import Clock, SystemClock
from spapi_async._core.endpoints import Endpoints
from spapi_async._core.events import Observers
from spapi_async._core.health import Part
from spapi_async._core.operation import Operation
from spapi_async._core.options import current_options
from spapi_async.auth._access import AccessTokens
from spapi_async.auth._authorization import Authorization
from spapi_async.auth._cache import CacheStatistics, Retirement
from spapi_async.auth._lwa import RETRY_DELAYS, Exchange, TokenEndpoint
from spapi_async.auth._rdt import CreateRestrictedToken, RestrictedResource, RestrictedTokens, resource_for
from spapi_async.auth._rejection import Verdict, verdict_on
from spapi_async.auth._report_types import RESTRICTED_REPORT_TYPES, ReportTypes
from spapi_async.auth._secret_rotation import NewClientSecret
from spapi_async.auth._store import SharedTokens, TokenStore
from spapi_async.credentials import Account, Grant, Secret, as_secret
from spapi_async.errors import AuthError, ConfigurationError, SPAPIError

__all__ = ["AuthStatistics", "Authenticator", "DelegatedToken", "HasPath", "ReportTypeOf"]

WARM_UP_AT_ONCE = 10
"""Concurrent token requests during a warm-up: Login with Amazon throttles larger numbers."""

ReportTypeOf = Callable[[Account, str], Awaitable[str | None]]
"""The report type of a document id, or None if it cannot be determined."""


class AuthStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of access tokens, of restricted tokens that last, and of those for single report documents."""

    access: CacheStatistics
    restricted: CacheStatistics
    documents: CacheStatistics


class DelegatedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A restricted token for another application; ``expires_at`` in seconds since the epoch."""

    token: Secret
    expires_at: float


class HasPath(Protocol):
    """The part of a request that the authenticator uses: its percent-encoded path."""

    @property
    def path(self) -> str: ...


class Authenticator:
    """The tokens of one application; chooses between an access token and a restricted token for each call."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: Secret,
        endpoints: Endpoints,
        exchange: Exchange,
        create_restricted_token: CreateRestrictedToken | None = None,
        report_type_of: ReportTypeOf | None = None,
        store: TokenStore | None = None,
        clock: Clock | None = None,
        observers: Observers | None = None,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        timeout: float = 10.0,
        max_grants: int = 100_000,
        max_restricted_tokens: int = 50_000,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        clock = clock or SystemClock()
        self.client_id = client_id
        self._report_type_of = report_type_of
        self._endpoints = endpoints
        observers = observers or Observers()
        self._store = store
        self._shared = SharedTokens(store, clock=clock, uniform=uniform)
        endpoint = TokenEndpoint(
            client_id=client_id,
            client_secret=client_secret,
            endpoints=endpoints,
            exchange=exchange,
            clock=clock,
            retry_delays=retry_delays,
            timeout=timeout,
            uniform=uniform,
        )
        self._access = AccessTokens(
            endpoint,
            clock=clock,
            shared=self._shared,
            observers=observers,
            max_entries=max_grants,
            uniform=uniform,
        )
        self._restricted = RestrictedTokens(
            create_restricted_token,
            clock=clock,
            shared=self._shared,
            observers=observers,
            max_entries=max_restricted_tokens,
            uniform=uniform,
        )
        self._scopes: dict[str, Grant] = {}
        self._reports = ReportTypes()

    # The token of a call

    async def token(
        self,
        operation: Operation[Any],
        account: Account,
        request: HasPath,
        *,
        data_elements: Sequence[str] = (),
    ) -> Secret:
        """The token that this call must carry in ``x-amz-access-token``.

        Raises:
            ConfigurationError: data elements that the operation does not have; a seller's operation without a seller.
            LWAError: Login with Amazon refused the grant.
            SPAPIError: no token was obtained for another reason.
        """
        if account.grant.grant_type == "restricted_data_token":
            return account.grant.secret
        resource = None
        if data_elements or operation.restriction is not None:
            resource = resource_for(operation, path=request.path, data_elements=data_elements)
        grant = self._grant(operation, account)
        try:
            if resource is None or not await self._is_restricted(operation, account, resource):
                return self._access.cached(grant) or await self._access.get(grant, account.name)
            return await self._restricted.token(account, resource, batched=not _lasts(operation))
        except SPAPIError as error:
            error.operation = error.operation or operation.name
            raise

    def rejected(
        self,
        token: Secret,
        operation: Operation[Any],
        account: Account,
        reply_body: bytes | str | object,
        *,
        request: HasPath | None = None,
    ) -> bool:
        """Record that Amazon answered 401 or 403; True if repeating the call once with a new token may help.

        Only the refused token is retired: if it has already been replaced for another caller, the newer one stays.
        ``request`` identifies the document where several share a restricted token.
        """
        if account.grant.grant_type == "restricted_data_token":
            return False  # only the application that delegated the token can make another
        verdict = verdict_on(reply_body)
        document = None
        if request is not None and not _lasts(operation):
            document = resource_for(operation, path=request.path, data_elements=())
        outcome = self._restricted.retire(token, account, document if verdict is Verdict.DENIED else None)
        if outcome is not Retirement.UNKNOWN:
            return outcome is not Retirement.TOO_FRESH
        if verdict is Verdict.DENIED:
            return self._is_restricted_after_all(document)
        if verdict is Verdict.EXPIRED_SECRET:
            grant = self._grant(operation, account)
            if not self._access.predates_secret(token, grant):
                return False
        return self._access.retire(token) is not Retirement.TOO_FRESH

    def learn(self, operation: Operation[Any], body: Any) -> None:
        """Remember what a decoded reply says about report documents; cheap, and safe to call with every reply."""
        if operation.name.startswith("reports_2021_06_30."):
            self._reports.learn(operation, body)

    def _grant(self, operation: Operation[Any], account: Account) -> Grant:
        scope = operation.grantless_scope
        if scope is None:
            if account.grant.grant_type != "refresh_token":
                raise ConfigurationError(
                    "this operation acts for a selling partner: call it on app.selling_partner(refresh_token=...)",
                    operation=operation.name,
                )
            return account.grant
        grant = self._scopes.get(scope)
        if grant is None:
            grant = self._scopes[scope] = Grant.scope(self.client_id, scope)
        return grant

    async def _is_restricted(self, operation: Operation[Any], account: Account, resource: RestrictedResource) -> bool:
        if self._endpoints.sandbox:
            return False
        if operation.restriction is None or operation.restriction.mode != "report":
            return True
        chosen = current_options().restricted
        if chosen is not None:
            return chosen
        document_id = _document_id(resource)
        known = self._reports.restricted(document_id)
        if known is None and self._report_type_of is not None:
            report_type = await self._report_type_of(account, document_id)
            if report_type is not None:
                known = report_type in RESTRICTED_REPORT_TYPES
                self._reports.mark(document_id, restricted=known)
        # Most documents of unknown type are not restricted, and requesting a restricted token without the role for
        # it is an error. If an access token is not enough, Amazon answers 403, and then the type is known.
        return bool(known)

    def _is_restricted_after_all(self, document: RestrictedResource | None) -> bool:
        """After an access token was denied: whether the call was for a report document, which may be restricted."""
        if document is None or self._endpoints.sandbox or current_options().restricted is not None:
            return False
        self._reports.mark(_document_id(document), restricted=True)
        return True

    def store_health(self) -> Part:
        """How the last use of the token store went."""
        return self._shared.health()

    async def warm_up(self, accounts: Iterable[Account]) -> None:
        """Fetch the access tokens of these accounts ahead, a few at a time.

        Raises:
            SPAPIError: the first failure, raised after all others have been tried.
        """
        names = {a.grant: a.name for a in accounts if a.grant.grant_type == "refresh_token"}
        grants = iter(names.items())
        failures: list[SPAPIError] = []

        async def fetch_one_after_another() -> None:
            for grant, name in grants:
                try:
                    await self._access.get(grant, name)
                except SPAPIError as error:
                    failures.append(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(WARM_UP_AT_ONCE):
                group.create_task(fetch_one_after_another())
        if failures:
            first = failures[0]
            if len(failures) > 1:
                first.add_note(f"{len(failures) - 1} more tokens could not be fetched")
            raise first

    # Codes and delegated tokens

    async def exchange_code(self, code: str | Secret, redirect_uri: str | None = None) -> Authorization:
        """Exchange the code from a selling partner's browser; a code works once, for five minutes.

        ``redirect_uri`` is the one that was given to the consent page, if any.

        Raises:
            LWAError: ``invalid_grant`` if the code was used, has expired or belongs to another application.
        """
        code = as_secret(code or "", "code")
        if not code.reveal():
            raise ConfigurationError("code is empty; Amazon sends it to the redirect URI as spapi_oauth_code")
        form: dict[str, str | Secret] = {"grant_type": "authorization_code", "code": code}
        if redirect_uri is not None:
            form["redirect_uri"] = redirect_uri
        tokens = await self._access.redeem(form)
        if tokens.refresh_token is None:
            raise AuthError("Login with Amazon accepted the code but sent no refresh token")
        return Authorization(
            refresh_token=tokens.refresh_token,
            access_token=tokens.access_token.value,
            expires_in=tokens.access_token.lifetime,
        )

    async def delegate(
        self, account: Account, resources: Sequence[RestrictedResource], *, target_application: str
    ) -> DelegatedToken:
        """A restricted token issued to another application, which the selling partner need not have authorised.

        That application sends it as its access token. ``restricted_resource(operation)`` makes the resources.

        Raises:
            ConfigurationError: no resources, or more than 50.
            BadRequestError: Amazon knows no such application, or this one may not read such data.
        """
        token = await self._restricted.delegated(account, resources, target_application)
        return DelegatedToken(token=token.value, expires_at=token.expires_at)

    # Secret, statistics, end

    def replace_client_secret(self, new: Secret | NewClientSecret) -> None:
        """Use the new client secret from now on; a request under way that is refused for the old one is sent again.

        Raises:
            ConfigurationError: the notification is about another application.
        """
        if isinstance(new, NewClientSecret):
            if new.client_id != self.client_id:
                raise ConfigurationError("the new client secret is for another application (client ids differ)")
            new = new.client_secret
        self._access.replace_client_secret(new)

    def statistics(self) -> AuthStatistics:
        """Counts, for tests and for operators."""
        restricted, documents = self._restricted.statistics()
        return AuthStatistics(access=self._access.statistics(), restricted=restricted, documents=documents)

    async def aclose(self) -> None:
        """End the requests under way; callers that wait for a token get an error."""
        await self._restricted.aclose()
        await self._access.aclose()
        if self._store is not None:
            await self._store.aclose()

    def __repr__(self) -> str:
        return f"<Authenticator {self.client_id} {self.statistics()}>"


def _lasts(operation: Operation[Any]) -> bool:
    """Whether a token of the operation serves many calls; a report document needs a token of its own."""
    return operation.restriction is None or operation.restriction.generic_path


def _document_id(resource: RestrictedResource) -> str:
    return unquote(resource.path.rpartition("/")[2])
