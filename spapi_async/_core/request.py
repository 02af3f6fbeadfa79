"""A request before it has a host and a token."""

from __future__ import annotations

import msgspec

__all__ = ["Request"]


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, complete except for host and tokens.

    Attributes:
        target: percent-encoded path and query; give it to yarl with ``encoded=True``.
        path: the percent-encoded path alone.
        headers: the operation's own header parameters, and ``content-type`` if there is a body.
        data_elements: the requested restricted data elements, in the order in which Amazon lists them.
    """

    method: str
    target: str
    path: str
    headers: dict[str, str]
    body: bytes | None = None
    data_elements: tuple[str, ...] = ()

    def __repr__(self) -> str:
        # Targets and bodies contain order ids, SKUs and e-mail addresses, which must not appear in a log.
        return f"<Request {self.method}>"
