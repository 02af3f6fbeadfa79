"""The broker of restricted data tokens (RDTs).

An RDT replaces the access token for certain methods and paths, and for one selling partner. If Amazon accepts the path
template, one token covers every resource under it: ten thousand order addresses cost one Tokens call an hour. Report
documents must be named individually; up to fifty that are requested together share a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from spapi_async._core.clock import Clock
from spapi_async._core.events import Observers, TokenIssued
from spapi_async._core.home_loop import HomeLoop, background
from spapi_async._core.operation import Operation
from spapi_async.auth._cache import CacheStatistics, Retirement, TokenCache
from spapi_async.auth._lwa import lifetime, token_in
from spapi_async.auth._store import SharedTokens
from spapi_async.auth._token import Token
from spapi_async.credentials import Account, Secret
from spapi_async.errors import AuthError, BadRequestError, ConfigurationError, DecodeError, ForbiddenError

__all__ = [
    "CreateRestrictedToken",
    "RestrictedResource",
    "RestrictedTokens",
    "TokenReply",
    "resource_for",
    "restricted_resource",
]

_OPERATION = "tokens_2021_03_01.create_restricted_data_token"

MAX_RESOURCES = 50
"""The largest number of resources in one Tokens call, by Amazon's model."""

LONG_TOKEN = 4096
"""Characters. Tokens grow with their resources, and Amazon's edge answers a header that is too long with HTML."""


class TokenReply(Protocol):
    """The body of createRestrictedDataToken, decoded."""

    @property
    def restricted_data_token(self) -> Any: ...
    @property
    def expires_in(self) -> Any: ...


CreateRestrictedToken = Callable[[Account, dict[str, Any]], Awaitable[TokenReply]]
"""Calls createRestrictedDataToken through the limiter and the retry policy, like any other call."""


class RestrictedResource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource of a restricted token; ``path`` is a template with braces, or the encoded path of one resource."""

    method: str
    path: str
    data_elements: tuple[str, ...] = ()

    def as_body(self) -> dict[str, Any]:
        """The entry of ``restrictedResources``."""
        body: dict[str, Any] = {"method": self.method, "path": self.path}
        if self.data_elements:
            body["dataElements"] = list(self.data_elements)
        return body


@lru_cache(maxsize=1024)
def restricted_resource(
    operation: Operation[Any], *, path: str | None = None, data_elements: tuple[str, ...] = ()
) -> RestrictedResource:
    """The resource of an operation: everything under its path template, or only the one at ``path``.

    Raises:
        ConfigurationError: data elements that the operation does not have, or no ``path`` where Amazon accepts no
        template.
    """
    allowed = operation.restricted_data_elements
    unknown = sorted(set(data_elements).difference(allowed))
    if unknown:
        choice = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
        raise ConfigurationError(
            f"unknown data_elements {', '.join(map(repr, unknown))}: {choice}", operation=operation.name
        )
    if path is None and operation.restriction is not None and not operation.restriction.generic_path:
        raise ConfigurationError(
            "Amazon accepts only the path of one document here, not the template: give path", operation=operation.name
        )
    return RestrictedResource(
        method=operation.method, path=path or operation.path, data_elements=tuple(sorted(set(data_elements)))
    )


def resource_for(operation: Operation[Any], *, path: str, data_elements: Sequence[str]) -> RestrictedResource | None:
    """The resource for which a call to ``path`` needs a restricted token; None if the operation never needs one.

    Raises:
        ConfigurationError: data elements that the operation does not have.
    """
    restriction = operation.restriction
    if not data_elements and (restriction is None or restriction.mode == "optional"):
        return None
    if isinstance(data_elements, str):
        raise ConfigurationError("data_elements must be a list of names, not one string", operation=operation.name)
    exact = None if restriction is None or restriction.generic_path else path
    resource = restricted_resource(operation, path=exact, data_elements=tuple(data_elements))
    return None if restriction is None else resource


class RestrictedKey(msgspec.Struct, frozen=True):
    """The key of a token: account and resource. With the account in it, no other seller's token is ever found."""

    account: Account
    resources: tuple[RestrictedResource, ...]
    target_application: str | None

    def digest(self) -> str:
        resources = [resource.as_body() for resource in self.resources]
        facts = msgspec.json.encode([self.account.key, resources, self.target_application])
        return hashlib.blake2b(facts, digest_size=16).hexdigest()


class RestrictedTokens:
    """Restricted data tokens of an application's accounts: one request per key, bounded, shared through the store."""

    def __init__(
        self,
        create: CreateRestrictedToken | None,
        *,
        clock: Clock,
        shared: SharedTokens,
        observers: Observers,
        max_entries: int = 50_000,
        max_documents: int = 2_000,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._create = create
        self._clock = clock
        self._shared = shared
        self._observers = observers
        self._tokens: TokenCache[RestrictedKey] = TokenCache(
            self._fetch_shared, clock=clock, max_entries=max_entries, uniform=uniform
        )
        # Separate, because documents are many and each is requested once: they must not displace lasting tokens.
        self._documents: TokenCache[RestrictedKey] = TokenCache(
            self._fetch_batched, clock=clock, max_entries=max_documents, uniform=uniform
        )
        self._batches: dict[Account, Batch] = {}
        self._home = HomeLoop("the broker of restricted tokens", drop=self._forget_batches)

    async def token(self, account: Account, resource: RestrictedResource, *, batched: bool) -> Secret:
        """The token for ``resource`` of ``account``; ``batched`` if each document is a resource of its own.

        Raises:
            SPAPIError: the Tokens call failed, after every permitted retry.
        """
        cache = self._documents if batched else self._tokens
        return await cache.get(RestrictedKey(account, (resource,), None))

    async def delegated(
        self, account: Account, resources: Sequence[RestrictedResource], target_application: str
    ) -> Token:
        """A token issued to another application, which uses it in place of its own access token.

        Raises:
            ConfigurationError: no resources, or more than Amazon accepts in one token.
        """
        if not 1 <= len(resources) <= MAX_RESOURCES:
            raise ConfigurationError(f"a restricted token takes 1 to {MAX_RESOURCES} resources, not {len(resources)}")
        return await self._tokens.token(RestrictedKey(account, tuple(resources), target_application))

    def retire(self, value: Secret, account: Account, resource: RestrictedResource | None) -> Retirement:
        """Stop using this token; if several documents share it, only for the given one."""
        outcome = self._tokens.retire(value)
        if outcome is not Retirement.UNKNOWN:
            return outcome
        return self._documents.retire(value, only=RestrictedKey(account, (resource,), None) if resource else None)

    def statistics(self) -> tuple[CacheStatistics, CacheStatistics]:
        """Counts of lasting tokens, and of tokens for single documents."""
        return self._tokens.statistics(), self._documents.statistics()

    async def aclose(self) -> None:
        """End the requests under way."""
        await self._tokens.aclose()
        await self._documents.aclose()
        if self._batches:
            self._home.enter()
        for batch in list(self._batches.values()):
            await batch.aclose()

    def _forget_batches(self, forked: bool) -> None:  # noqa: ARG002, FBT001 - never sent in either case
        self._batches.clear()

    async def _fetch_shared(self, key: RestrictedKey, stale: Secret | None) -> Token:
        return await self._shared.fetch(
            f"rdt:{key.digest()}", stale, lambda: self._issue(key.account, key.resources, key.target_application)
        )

    async def _fetch_batched(self, key: RestrictedKey, stale: Secret | None) -> Token:  # noqa: ARG002 - a batch is always new
        account = key.account
        self._home.enter()
        batch = self._batches.get(account)
        if batch is None:
            batch = self._batches[account] = Batch(
                lambda resources: self._issue(account, resources, None),
                on_idle=lambda: self._batches.pop(account, None),
            )
        return await batch.add(key.resources[0])

    async def _issue(
        self, account: Account, resources: Sequence[RestrictedResource], target_application: str | None
    ) -> Token:
        body: dict[str, Any] = {"restrictedResources": [resource.as_body() for resource in resources]}
        if target_application is not None:
            body["targetApplication"] = target_application
        if self._create is None:
            raise ConfigurationError("restricted data tokens need Authenticator(create_restricted_token=...)")
        asked_at = self._clock.time()
        try:
            reply: Any = await self._create(account, body)
        except DecodeError as error:
            raise AuthError(f"the Tokens API gave no restricted data token: {error.message}") from error
        # A 2xx may contain anything: None, a list, a number.
        value = token_in(getattr(reply, "restricted_data_token", None))
        if value is None:
            raise AuthError("the Tokens API answered without a restricted data token")
        token = Token(value, issued_at=asked_at, expires_at=asked_at + lifetime(getattr(reply, "expires_in", None)))
        if self._observers:
            event = TokenIssued(operation=_OPERATION, account=account.name, kind="rdt", lifetime=token.lifetime)
            self._observers.emit(event)
        return token


class Batch:
    """Collects the resources requested while a Tokens call is under way, and sends them together in the next call."""

    def __init__(
        self, issue: Callable[[Sequence[RestrictedResource]], Awaitable[Token]], *, on_idle: Callable[[], object]
    ) -> None:
        self._issue = issue
        self._on_idle = on_idle
        self._waiting: dict[RestrictedResource, asyncio.Future[Token]] = {}
        self._limit = MAX_RESOURCES
        self._task: asyncio.Task[None] | None = None

    def add(self, resource: RestrictedResource) -> asyncio.Future[Token]:
        """The token for ``resource``, from the next call."""
        if self._task is not None and self._task.done():  # cancelled before it began
            self._task = None
            self._waiting.clear()
        future = self._waiting.get(resource)
        if future is None or future.cancelled():
            future = self._waiting[resource] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = background(self._run(), "spapi-async token batch")
        return future

    async def aclose(self) -> None:
        """Cancel the call under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # lets further requests in the same turn of the loop join
                resources = list(self._waiting)[: self._limit]
                await self._serve({resource: self._waiting.pop(resource) for resource in resources})
        finally:
            self._on_idle()
            for future in self._waiting.values():
                future.cancel()

    async def _serve(self, group: Mapping[RestrictedResource, asyncio.Future[Token]]) -> None:
        group = {resource: future for resource, future in group.items() if not future.done()}
        if not group:
            return
        try:
            token = await self._issue(list(group))
        except asyncio.CancelledError:
            for future in group.values():
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is raised to the waiting callers
            refused = isinstance(error, (BadRequestError, ForbiddenError))
            if not refused or len(group) == 1:
                _fail(group, error)
                return
        else:
            if len(token.value.reveal()) <= LONG_TOKEN or len(group) == 1:
                _succeed(group, token)
                return
            self._limit = max(1, len(group) // 2)
        # Halve the batch: one refused resource, or a token too long for a header, must not fail the other resources.
        half = len(group) // 2
        items = list(group.items())
        await self._serve(dict(items[:half]))
        await self._serve(dict(items[half:]))


def _succeed(group: Mapping[RestrictedResource, asyncio.Future[Token]], token: Token) -> None:
    for future in group.values():
        if not future.done():
            future.set_result(token)


def _fail(group: Mapping[RestrictedResource, asyncio.Future[Token]], error: Exception) -> None:
    for future in group.values():
        if not future.done():
            future.set_exception(error)
