"""A server that costs almost nothing: it sends the bytes of four fixed replies.

``canned_server.py [--silent]`` prints its port. With ``--silent`` it answers only requests for tokens, so that calls
stay in flight. ``GET /_last`` returns the size of the previous request.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
from bodies import CASES

__all__ = ["RATE"]

# The announced rate of all operations, in requests per second; so high that quota does not influence the measurement.
RATE = 100_000.0

_SILENT = "--silent" in sys.argv

# The headers of a real reply, because parsing them is part of the cost.
_HEADERS = (
    "Server: Server\r\n"
    "Date: Sun, 22 Nov 2026 07:00:00 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: {length}\r\n"
    "Connection: keep-alive\r\n"
    "X-Amz-Rid: 4VKQ2T7B8N3JWX0CZR5D\r\n"
    "x-amzn-RateLimit-Limit: {rate}\r\n"
    "x-amzn-RequestId: deedae60-32f4-48cd-a21e-927be515432d\r\n"
    "x-amz-apigw-id: OPFdeedae6032f4\r\n"
    "X-Amzn-Trace-Id: Root=1-66fad92e-deedae6032f448cd\r\n"
    "Vary: Content-Type,Accept-Encoding,User-Agent\r\n"
    "Strict-Transport-Security: max-age=47474747; includeSubDomains; preload\r\n"
)


def _reply(body: object) -> bytes:
    content = msgspec.json.encode(body)
    head = "HTTP/1.1 200 OK\r\n" + _HEADERS.format(length=len(content), rate=RATE) + "\r\n"
    return head.encode() + content


_TOKEN = _reply(
    {"access_token": "Atza|" + "x" * 340, "token_type": "bearer", "expires_in": 3600, "refresh_token": "Atzr|x"}
)
_ORDER, _ORDERS, _CATALOG = (_reply(case.body()) for case in CASES.values())


class _Canned(asyncio.Protocol):
    """One connection. GETs have no body; POSTs, which are requests for tokens, have a Content-Length."""

    transport: asyncio.Transport
    last = b""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, size = self._buffer[:end], end + 4
            if head.startswith(b"POST"):
                size += _content_length(head)
                if len(self._buffer) < size:
                    return
                reply = _TOKEN
            elif _SILENT:
                reply = b""
            elif head.startswith(b"GET /orders/v0/orders/"):
                reply = _ORDER
            elif head.startswith(b"GET /orders/v0/orders"):
                reply = _ORDERS
            elif head.startswith(b"GET /catalog"):
                reply = _CATALOG
            else:
                reply = _reply({"headers": _Canned.last.count(b"\r\n"), "bytes": len(_Canned.last) + 4})
            _Canned.last = head
            self._buffer = self._buffer[size:]
            self.transport.write(reply)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(_Canned, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)  # until the parent process ends
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
