"""Who may move a seller's stream: one process at a time, by a lease that ends by itself.

Each time a stream changes hands its fencing number grows, and every page is committed only while the number is the one
its writer got. So a process that was suspended beyond its lease, and is replaced, cannot write when it wakes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from spapi_async.errors import LeaseHeldError, LeaseLostError

__all__ = ["LEASE", "Lease", "held", "is_gone", "lost", "new_holder"]

LEASE = timedelta(seconds=60)
"""How long a process that died keeps others away. A live one renews its leases three times in that."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to move one seller's stream.

    Attributes:
        fencing: grows whenever the stream changes hands.
    """

    seller: str
    stream: str
    holder: str
    fencing: int


def held(lease: Lease, until: datetime) -> LeaseHeldError:
    """The error of somebody else who wants the stream."""
    return LeaseHeldError(
        f"{lease.stream} of {lease.seller} is held by {lease.holder} until {until:%Y-%m-%d %H:%M:%S} UTC or longer",
        seller=lease.seller,
        stream=lease.stream,
        holder=lease.holder,
        expires_at=until,
    )


def lost(lease: Lease) -> LeaseLostError:
    """The error of a holder that was replaced."""
    return LeaseLostError(
        f"{lease.stream} of {lease.seller} was taken over by another process, because {lease.holder} had let its lease"
        " expire; nothing was written",
        seller=lease.seller,
        stream=lease.stream,
    )


def new_holder() -> str:
    """A name that no other run has, and that says where to look for it."""
    return f"{socket.gethostname()}:{os.getpid()}:{_surroundings()}{secrets.token_hex(4)}"


def is_gone(holder: str) -> bool:
    """Whether a holder was a process of this machine that has ended; it is replaced at once."""
    name, _, token = holder.rpartition(":")
    process = name.rpartition(":")[2]
    if not (token.startswith(_surroundings()) and process.isdecimal()):
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return _is_zombie(int(process))


def _is_zombie(process: int) -> bool:
    """Whether it has ended and nobody has asked how: its id is taken, and nothing will ever run under it."""
    try:
        status = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:  # no Linux, or gone this moment
        return False
    return status.rpartition(b")")[2].split()[:1] == [b"Z"]


def _surroundings() -> str:
    """Tells where process ids mean the same as here: the host since it was booted, and its container."""
    facts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # no Linux
        facts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return hashlib.blake2b("|".join(facts).encode(), digest_size=4).hexdigest()
