"""A TokenStore in Redis, for workers on many hosts; every entry is encrypted before it leaves the process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

try:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet
    from redis.asyncio import Redis
    from redis.exceptions import ReadOnlyError
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('tokens in Redis need an extra: pip install "spapi-async[redis]"') from error

from spapi_async._core.home_loop import HomeLoop, Leftover, leave_to_parent
from spapi_async._core.store_url import address_of
from spapi_async.credentials import Secret
from spapi_async.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

__all__ = ["RedisTokenStore"]

logger = logging.getLogger("spapi_async.auth")

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class RedisTokenStore:
    """Tokens shared through Redis, encrypted with Fernet (AES-128-CBC and HMAC-SHA256).

    ``keys`` are Fernet keys, newest first: the first encrypts, all decrypt. To change the key, deploy the new key in
    second place everywhere, then move it to the front, then remove the old one.
    ``spapi_async.auth.RedisTokenStore.new_key()`` makes a key. An encrypted entry contains its key in the store, so
    that somebody who can write to Redis but not decrypt entries cannot give one seller's token to another. ``timeout``
    is the time for connecting in seconds; the authenticator gives up a command that takes longer than two seconds.

    Raises:
        ConfigurationError: no key, a key that is not a Fernet key, or an invalid Redis URL.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        keys: Sequence[str | Secret],
        prefix: str = "spapi_async:token:",
        timeout: float = 2.0,
        client: Redis | None = None,
    ) -> None:
        self._fernet = _fernet(keys)
        self._prefix = prefix
        self._where = address_of(url) if client is None else f"prefix={prefix!r}"
        self._owns_client = client is None
        # The caller bounds each step. With a timeout of its own, redis-py would read with asyncio.wait_for(), which
        # before Python 3.12 loses a cancellation that coincides with the end of the read. After a failover, the former
        # primary may go on as a replica: an error in retry_on_error ends the connection to it.
        self._connect: Callable[[], Redis] = lambda: Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=timeout, retry_on_error=[ReadOnlyError]
        )
        self._redis: Redis = client or self._connect()
        self._release: AsyncScript = self._redis.register_script(_RELEASE)
        self._home = HomeLoop("the Redis token store", drop=self._drop, close=self._close)

    @staticmethod
    def new_key() -> Secret:
        """A new random key."""
        return Secret(Fernet.generate_key().decode())

    async def get(self, key: str) -> bytes | None:
        """The entry; None if it is missing, has expired, or cannot be decrypted."""
        sealed: Any = await self._client().get(self._prefix + key)
        if sealed is None:
            return None
        try:
            owner, _, entry = self._fernet.decrypt(sealed).partition(b"\0")
        except InvalidToken:
            logger.warning("an entry of the token store cannot be decrypted; was a key removed too early?")
            return None
        if owner != key.encode():
            logger.error("an entry of the token store was moved there from another key; it is ignored")
            return None
        return entry

    async def set(self, key: str, entry: bytes, *, ttl: float) -> None:
        """Keep the entry for ``ttl`` seconds."""
        sealed = self._fernet.encrypt(key.encode() + b"\0" + entry)
        await self._client().set(self._prefix + key, sealed, px=max(1, int(ttl * 1000)))

    async def delete(self, key: str) -> None:
        """Drop the entry, if there is one."""
        await self._client().delete(self._prefix + key)

    async def acquire(self, key: str, owner: str, *, ttl: float) -> bool:
        """Take the lease on ``key`` for at most ``ttl`` seconds; False while another owner has it."""
        px = max(1, int(ttl * 1000))
        return bool(await self._client().set(f"{self._prefix}{key}:lease", owner, nx=True, px=px))

    async def release(self, key: str, owner: str) -> None:
        """Give the lease back, if ``owner`` still has it."""
        self._client()
        await self._release(keys=[f"{self._prefix}{key}:lease"], args=[owner])

    async def aclose(self) -> None:
        """Close the connections, unless the client was given by the caller."""
        if self._home.loop is not None:
            self._home.enter()
        await self._close()
        await self._home.aclose()

    def _client(self) -> Redis:
        """The client, whose connections belong to one loop; the caller ensures that for a client of its own."""
        if self._owns_client:
            self._home.enter()
        return self._redis

    async def _close(self) -> None:
        if self._owns_client:
            await self._redis.aclose()

    def _drop(self, forked: bool) -> Leftover:  # noqa: FBT001 - HomeLoop calls it
        former = self._redis
        if forked:
            leave_to_parent(former)
        self._redis = self._connect()
        self._release = self._redis.register_script(_RELEASE)
        return former.aclose

    def __repr__(self) -> str:
        return f"<RedisTokenStore {self._where}>"


def _fernet(keys: Sequence[str | Secret]) -> MultiFernet:
    if isinstance(keys, (str, Secret)) or not keys:
        raise ConfigurationError("keys must be a list of at least one Fernet key; RedisTokenStore.new_key() makes one")
    try:
        return MultiFernet([Fernet(key.reveal() if isinstance(key, Secret) else key) for key in keys])
    except ValueError:
        raise ConfigurationError(
            "one of the keys is not a Fernet key: it must be 32 bytes in URL-safe base64"
        ) from None
