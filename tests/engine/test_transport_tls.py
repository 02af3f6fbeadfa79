"""Certificate authorities of one's own, and proxies."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from raw_server import answering, raw_server, reply

from spapi_async import ConnectionFailedError
from spapi_async._engine.transport import SessionPool


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@asynccontextmanager
async def tls_server(certificate: Path) -> AsyncIterator[str]:
    """Answers one request over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b'{"tls":true}', "200 OK", "Connection: close"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    server.close()
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def test_a_certificate_of_an_unknown_authority_is_refused(certificate: Path) -> None:
    """No token is sent, and the error says why."""
    pool = SessionPool(user_agent="t")
    async with tls_server(certificate) as url:
        with pytest.raises(ConnectionFailedError, match="TLS certificate was not accepted"):
            await pool.exchange("GET", url, headers={}, session_key="na")
    await pool.aclose()


async def test_an_authority_of_ones_own_is_accepted(certificate: Path) -> None:
    """It is given to the application as an `ssl` context."""
    pool = SessionPool(user_agent="t", ssl=ssl.create_default_context(cafile=certificate))
    async with tls_server(certificate) as url:
        answer = await pool.exchange("GET", url, headers={}, session_key="na")
    assert (answer.status, answer.body) == (200, b'{"tls":true}')
    await pool.aclose()


async def test_everything_goes_through_the_proxy() -> None:
    """The proxy sees the whole address and answers for the host."""
    async with raw_server(answering(reply(b'{"proxied":true}'))) as proxy:
        pool = SessionPool(user_agent="t", proxy=proxy.url)
        answer = await pool.exchange("GET", "http://sp-api.invalid/x", headers={}, session_key="na")
        await pool.aclose()
    assert answer.body == b'{"proxied":true}'
    assert proxy.requests[0].startswith(b"GET http://sp-api.invalid/x HTTP/1.1\r\n")
