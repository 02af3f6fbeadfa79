"""Translates failures of an HTTP exchange into this library's errors: by how far the request got, without its URL."""

from __future__ import annotations

import os

import aiohttp

from spapi_async._codec.headers import request_id_of
from spapi_async._core.endpoints import split_url
from spapi_async._core.frames import forget_locals
from spapi_async.errors import (
    ConnectionFailedError,
    DecodeError,
    RequestTimeoutError,
    TransportError,
)

__all__ = ["host_of", "too_large", "translated"]

# When one of these is raised, no byte of the request has been written.
NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


def host_of(url: str) -> str:
    """Host and port for a message; a password before them is left out."""
    parts = split_url(url)
    return parts.netloc.rpartition("@")[2] if parts is not None else "the host"


def translated(error: Exception, url: str, late: str, *, host: str | None = None) -> TransportError:
    """The library's error for an error of aiohttp's; ``late`` is the message of a timeout."""
    failure: TransportError
    host = host or host_of(url)
    if isinstance(error, NEVER_SENT):
        failure = ConnectionFailedError(f"cannot connect to {host}: {_reason(error)}")
    elif isinstance(error, TimeoutError):
        failure = RequestTimeoutError(late)
    else:
        failure = TransportError(f"connection to {host} broke: {_reason(error)}")
    failure.__cause__ = cause = _shown(error)
    if cause is not None:
        forget_locals(cause)
    return failure


def too_large(url: str, reply: aiohttp.ClientResponse, limit: int) -> DecodeError:
    return DecodeError(
        f"the reply of {host_of(url)} is larger than {limit:,} bytes (after decompression); "
        "Application(max_reply_size=...) sets the limit",
        status=reply.status,
        request_id=request_id_of(reply.headers),
    )


def _shown(error: Exception) -> Exception | None:
    """The error as a cause, if it contains no secret.

    A response error of aiohttp's contains the request's headers and so its token. An InvalidURL contains a URL, which
    can include personal data; a presigned URL is a secret.
    """
    if type(error) is aiohttp.ClientOSError:  # "Can not write request body for <URL>"
        return error.__cause__ if isinstance(error.__cause__, OSError) else None
    return None if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL) else error


def _reason(error: BaseException) -> str:
    """What went wrong, without the URL: a query can contain personal data, and a presigned URL is a secret."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its TLS certificate was not accepted"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.strerror or type(error.os_error).__name__
        unreachable = isinstance(error, aiohttp.ClientProxyConnectionError)
        return f"the proxy cannot be reached ({reason})" if unreachable else reason
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "connect timeout"
    if isinstance(error, aiohttp.ClientResponseError):
        refused = isinstance(error, aiohttp.ClientHttpProxyError)
        return f"the proxy answered {error.status}" if refused else "the reply is not HTTP"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # the error's own text may contain the URL
    return type(error).__name__
