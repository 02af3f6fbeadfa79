"""A server that answers with exact bytes or misbehaves on purpose, which no HTTP framework allows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """The whole requests that arrived, and over how many connections."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""


def reply(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """A well-formed HTTP/1.1 reply."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(raw: bytes) -> Answer:
    """Answer every request with these bytes."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return answer


async def hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Close the connection instead of answering."""
    writer.close()


async def stay_silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Never answer."""


@asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[RawServer]:
    """Serve until the block ends."""
    server = RawServer()
    under_way: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        under_way[asyncio.current_task()] = writer
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
                )
                server.requests.append(head + await reader.readexactly(length))
                await answer(server.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        # Connections are closed here: at the end of the loop, a transport that is still open is a warning.
        for task, writer in under_way.items():
            assert task is not None
            task.cancel()
            with suppress(AttributeError):  # asyncio raises it where the connection was lost a moment ago
                writer.transport.abort()
        await asyncio.gather(*filter(None, under_way), return_exceptions=True)
        await asyncio.sleep(0)
