"""A directory of sellers that can be reloaded while the program runs, and leaves out sellers with a revoked grant."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import anyio
import msgspec

from spapi_async._core.arguments import one_or_more
from spapi_async._core.caller import Caller
from spapi_async.errors import ConfigurationError, LWAError
from spapi_async.workflows.sellers._entries import Opener, SellerEntry, read_sellers

__all__ = ["DirectoryChange", "ListedSeller", "SellerDirectory"]

C = TypeVar("C", bound=Caller)
Provider = Callable[[], Awaitable[Iterable[SellerEntry]]]

_REVOKED = frozenset({"invalid_grant", "unauthorized_client"})
_FIELDS = frozenset(SellerEntry.__struct_fields__)


class ListedSeller(msgspec.Struct, Generic[C], frozen=True):
    """A seller in a directory, with its application."""

    application: Opener[C]
    seller: C
    tags: frozenset[str]
    marketplaces: tuple[str, ...]


class DirectoryChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload has changed, as names of sellers in the directory."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class SellerDirectory:
    """The sellers of one or more applications.

    Args:
        source: a TOML or JSON file (see :class:`SellerEntry` for its keys), or an async function that returns entries;
            if it raises an exception, the source cannot be read.
        environ: the variables in which ``refresh_token_env`` is looked up; by default those of the process.
    """

    def __init__(self, source: str | os.PathLike[str] | Provider, *, environ: Mapping[str, str] | None = None) -> None:
        self._source = source if callable(source) else Path(source)
        self._environ = os.environ if environ is None else environ
        self._entries: dict[str, SellerEntry] | None = None
        self._opened: dict[str, str] = {}  # the credential of each seller's last handle
        self._revoked: dict[str, tuple[str, str]] = {}  # the reason, and the credential

    @classmethod
    def from_table(
        cls, url: str, table: str = "sellers", *, environ: Mapping[str, str] | None = None
    ) -> SellerDirectory:
        """A directory from the rows of a table whose columns are named like :class:`SellerEntry`'s keys.

        Other columns are ignored. ``tags`` and ``marketplaces`` are words separated by commas. Needs the extra
        ``sync``, and ``postgres`` for PostgreSQL.

        Raises:
            ConfigurationError: ``table`` is not a valid name.
            ModuleNotFoundError: the extra ``sync`` is not installed.
        """
        if not all(part.isidentifier() for part in table.split(".")):
            raise ConfigurationError(f"{table!r} is not a valid name of a table")

        from spapi_async.workflows.sellers._table import read_table

        async def rows() -> list[SellerEntry]:
            return [_entry_of(row) for row in await read_table(url, table)]

        return cls(rows, environ=environ)

    def __repr__(self) -> str:
        known = "not read yet" if self._entries is None else f"{len(self._entries)} sellers"
        return f"<SellerDirectory {known}, {len(self._revoked)} revoked>"

    async def reload(self) -> DirectoryChange:
        """Reload the source; a seller with a new token is no longer considered revoked.

        Raises:
            ConfigurationError: the source cannot be read, or lists a seller twice; the directory stays unchanged.
        """
        before = self._entries or {}
        entries: dict[str, SellerEntry] = {}
        for number, entry in enumerate(await self._read(), start=1):
            name = _name(entry, number)
            if name in entries:
                raise ConfigurationError(f"the directory lists seller {name} twice: remove one entry")
            entries[name] = entry
        self._entries = entries
        return DirectoryChange(
            added=tuple(name for name in entries if name not in before),
            removed=tuple(name for name in before if name not in entries),
            changed=tuple(name for name, entry in entries.items() if name in before and before[name] != entry),
        )

    async def _read(self) -> Iterable[SellerEntry]:
        if isinstance(self._source, Path):
            return await anyio.to_thread.run_sync(read_sellers, str(self._source))
        try:
            return list(await self._source())
        except ConfigurationError:
            raise
        except Exception as error:
            # A fleet's scheduler, which goes on with the sellers read before, cannot know what functions may raise.
            raise ConfigurationError(f"the function that lists the sellers raised {type(error).__name__}") from error

    async def listed(
        self, applications: Opener[C] | Mapping[str, Opener[C]], *, tags: Collection[str] = ()
    ) -> list[ListedSeller[C]]:
        """Handles on the sellers that have all of these tags, each with its application; revoked ones are left out.

        Args:
            applications: the application of all sellers, or several by the names in the entries' ``application``.
            tags: the required tags; a string is one tag.

        Raises:
            ConfigurationError: the source cannot be read, or an entry cannot be used; the error names the seller.
        """
        if self._entries is None:
            await self.reload()
        wanted = set(one_or_more(tags))
        found = []
        for name, entry in (self._entries or {}).items():
            if not wanted <= entry.tags:
                continue
            try:
                application = _application_of(entry, applications)
                seller = self._open(name, entry, application)
            except ConfigurationError as error:
                raise ConfigurationError(f"seller {name}: {error.message}") from None
            if seller is None:
                continue
            found.append(ListedSeller(application, seller, entry.tags, entry.marketplaces))
        return found

    async def sellers(
        self, applications: Opener[C] | Mapping[str, Opener[C]], *, tags: Collection[str] = ()
    ) -> list[C]:
        """Like :meth:`listed`, but only the handles, as :func:`sync_orders` and :func:`crawl` take them."""
        return [each.seller for each in await self.listed(applications, tags=tags)]

    async def names(self) -> list[str]:
        """The names of all sellers, such as ``A1EXAMPLE@na``; no token is looked up, so it need not be usable.

        Raises:
            ConfigurationError: the source cannot be read, or an entry has no seller id or no valid region.
        """
        if self._entries is None:
            await self.reload()
        found = []
        for name, entry in (self._entries or {}).items():
            try:
                found.append(entry.name(self._environ))
            except ConfigurationError as error:
                raise ConfigurationError(f"seller {name}: {error.message}") from None
        return found

    async def seller(self, applications: Opener[C] | Mapping[str, Opener[C]], name: str) -> C | None:
        """The handle of one seller by its ``name`` or id; None if the seller is not listed, or revoked.

        Raises:
            ConfigurationError: the source cannot be read, or the entry cannot be used.
        """
        if self._entries is None:
            await self.reload()
        listed = self._listed_name(name)
        entry = (self._entries or {}).get(listed)
        if entry is None:
            return None
        return self._open(listed, entry, _application_of(entry, applications))

    def _open(self, name: str, entry: SellerEntry, application: Opener[C]) -> C | None:
        """A handle on a seller; None if the grant of its token is revoked, which ends with another token."""
        seller = entry.open(application, self._environ, entry.token(self._environ))
        revoked = self._revoked.get(name)
        if revoked is not None:
            if revoked[1] == seller.key:
                return None
            del self._revoked[name]
        self._opened[name] = seller.key
        return seller

    # ---- revoked grants ---------------------------------------------------------------------------------------------

    @property
    def revoked(self) -> dict[str, str]:
        """The sellers that are left out, with the reasons."""
        return {name: reason for name, (reason, _) in self._revoked.items()}

    def failed(self, seller: str | Caller, error: BaseException | None) -> bool:
        """Record a failure; returns whether the seller is left out from now on because its grant is revoked.

        A new token that the source or the environment has had since the handle was made is not considered revoked.

        Args:
            seller: the handle, or its ``name``, or its seller id: these mean the last handle that was made here.
            error: what was raised.
        """
        if not isinstance(error, LWAError) or error.code not in _REVOKED:
            return False
        name = self._listed_name(seller if isinstance(seller, str) else seller.name)
        if name not in (self._entries or {}):
            return False
        last = self._opened.get(name)
        failed = last if isinstance(seller, str) else seller.key
        if failed is None or (last is not None and failed != last):
            return False
        self._revoked[name] = (f"{error.code}: {error.message}", failed)
        return True

    def _listed_name(self, name: str) -> str:
        entries = self._entries or {}
        return name if name in entries else name.partition("@")[0]


def _application_of(entry: SellerEntry, applications: Opener[C] | Mapping[str, Opener[C]]) -> Opener[C]:
    if not isinstance(applications, Mapping):
        return applications
    if entry.application is None or entry.application not in applications:
        known = ", ".join(sorted(applications))
        raise ConfigurationError(f"its application is {entry.application!r}, but the given ones are {known}")
    return applications[entry.application]


def _name(entry: SellerEntry, number: int) -> str:
    """The name of a seller in messages: its id, or its number in the list."""
    return entry.seller_id or f"number {number}"


def _entry_of(row: Mapping[str, Any]) -> SellerEntry:
    facts = {name: value for name, value in row.items() if name in _FIELDS and value is not None}
    for name in ("tags", "marketplaces"):
        if isinstance(words := facts.get(name), str):
            facts[name] = [word.strip() for word in words.split(",") if word.strip()]
    try:
        return msgspec.convert(facts, SellerEntry)
    except msgspec.ValidationError as error:  # its text contains paths and types, but no values
        raise ConfigurationError(f"a row of the table is not a valid seller: {error}") from None
