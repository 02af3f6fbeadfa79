"""Leases: only one process at a time may advance a seller's stream, and a lease expires by itself.

Each time another process acquires the lease, its fencing number grows, and a page is committed only if its writer has
the current number. So a process that was suspended for longer than its lease, and replaced, cannot write afterwards.
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

__all__ = ["LEASE", "Lease", "held_error", "is_gone", "lost_error", "new_holder"]

LEASE = timedelta(seconds=60)
"""How long the lease of a killed process lasts. A live process renews its leases three times in this time."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to advance one seller's stream.

    Attributes:
        fencing: a number that grows whenever another process acquires the lease.
    """

    seller: str
    stream: str
    holder: str
    fencing: int


def held_error(lease: Lease, until: datetime) -> LeaseHeldError:
    """The error for another process that tries to acquire the lease."""
    return LeaseHeldError(
        f"{lease.stream} of {lease.seller} is held by {lease.holder} until {until:%Y-%m-%d %H:%M:%S} UTC or longer",
        seller=lease.seller,
        stream=lease.stream,
        holder=lease.holder,
        expires_at=until,
    )


def lost_error(lease: Lease) -> LeaseLostError:
    """The error for a holder that was replaced."""
    return LeaseLostError(
        f"{lease.stream} of {lease.seller} was taken over by another process, because {lease.holder} had let its lease"
        " expire; nothing was written",
        seller=lease.seller,
        stream=lease.stream,
    )


def new_holder() -> str:
    """A unique name of a run that identifies its host and process."""
    return f"{socket.gethostname()}:{os.getpid()}:{_scope()}{secrets.token_hex(4)}"


def is_gone(holder: str) -> bool:
    """Whether a holder was a process on this machine that has ended; it is then replaced at once."""
    name, _, token = holder.rpartition(":")
    process = name.rpartition(":")[2]
    if not (token.startswith(_scope()) and process.isdecimal()):
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return _is_zombie(int(process))


def _is_zombie(process: int) -> bool:
    """Whether a process has ended but was not waited for: its id is in use, but it does not run."""
    try:
        status = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:  # not Linux, or the process has just ended
        return False
    return status.rpartition(b")")[2].split()[:1] == [b"Z"]


def _scope() -> str:
    """Identifies the scope of process ids: the host since its boot, and the container."""
    facts = [socket.gethostname()]
    with contextlib.suppress(OSError):  # not Linux
        facts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return hashlib.blake2b("|".join(facts).encode(), digest_size=4).hexdigest()
