"""Access tokens of an application's grants: fetched from Login with Amazon, cached, shared, replaced when refused.

This module and the broker of restricted tokens (``_rdt``) are independent; ``_authenticator`` chooses between them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from spapi_async._core.clock import Clock
from spapi_async._core.events import Observers, TokenIssued
from spapi_async._core.recent import Recent
from spapi_async.auth._breakdown import Breakdown
from spapi_async.auth._cache import CacheStatistics, Retirement, TokenCache
from spapi_async.auth._lwa import IssuedTokens, TokenEndpoint
from spapi_async.auth._refusals import Refusals
from spapi_async.auth._store import SharedTokens
from spapi_async.auth._token import Token
from spapi_async.credentials import Grant, Secret
from spapi_async.errors import LWAError

__all__ = ["AccessTokens"]


class AccessTokens:
    """Makes one request per grant for all concurrent callers; a refused grant is not sent again for a minute."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        *,
        clock: Clock,
        shared: SharedTokens,
        observers: Observers,
        max_entries: int = 100_000,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._shared = shared
        self._observers = observers
        self._refusals = Refusals(clock)
        self._breakdown = Breakdown(clock)
        self._secret_replaced_at = float("-inf")
        self._names: Recent[str, str] = Recent(max_entries)  # what events call each grant
        self.cache: TokenCache[Grant] = TokenCache(self._fetch, clock=clock, max_entries=max_entries, uniform=uniform)

    def cached(self, grant: Grant) -> Secret | None:
        """The cached token, without waiting."""
        return self.cache.cached(grant)

    async def get(self, grant: Grant, name: str | None = None) -> Secret:
        """The token of a grant, which events call ``name``.

        Raises:
            LWAError: Login with Amazon refused the grant, now or within the last minute.
            SPAPIError: Login with Amazon could not be reached.
        """
        if name is not None and self._observers:
            self._names.put(grant.key, name)
        return await self.cache.get(grant)

    def retire(self, value: Secret) -> Retirement:
        """Stop serving this token."""
        return self.cache.retire(value)

    def predates_secret(self, value: Secret, grant: Grant) -> bool:
        """Whether a token was issued before the client secret was last replaced, or is not the current one."""
        current = self.cache.current(grant)
        return current is None or current.value != value or current.issued_at < self._secret_replaced_at

    async def redeem(self, form: Mapping[str, str | Secret]) -> IssuedTokens:
        """Exchange something that is not a grant yet, such as an authorisation code.

        Raises:
            LWAError: Login with Amazon refused.
        """
        tokens = await self.endpoint.issue(form)
        self._refusals.forget()
        return tokens

    def replace_client_secret(self, new: Secret) -> None:
        """Use the new client secret from now on; a request under way that is refused for the old one is sent again."""
        self.endpoint.replace_client_secret(new)
        self._refusals.forget()
        self._breakdown.forget()
        self._secret_replaced_at = self._clock.time()

    def statistics(self) -> CacheStatistics:
        """Counts of the cache."""
        return self.cache.statistics()

    async def aclose(self) -> None:
        """End the requests under way."""
        await self.cache.aclose()

    async def _fetch(self, grant: Grant, stale: Secret | None) -> Token:
        return await self._shared.fetch(f"lwa:{grant.key}", stale, lambda: self._issue(grant))

    async def _issue(self, grant: Grant) -> Token:
        self._refusals.check(grant)
        probe = self._breakdown.check()
        generation = self._refusals.generation
        try:
            token = (await self.endpoint.issue(grant.form())).access_token
        except BaseException as error:
            self._breakdown.ended(error, probe=probe)
            if isinstance(error, LWAError):
                self._refusals.remember(grant, error, generation)
            raise
        self._breakdown.ended(None, probe=probe)
        if self._observers:
            operation = f"lwa.{grant.grant_type}"
            account = self._names.get(grant.key) or grant.key
            self._observers.emit(TokenIssued(operation=operation, account=account, kind="lwa", lifetime=token.lifetime))
        return token
