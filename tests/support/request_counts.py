"""How often an emulator was called."""

from spapi_async.emulator.server import Emulator

__all__ = ["requests_of"]


def requests_of(emulator: Emulator, operation: str) -> int:
    """How many requests of an operation the emulator got."""
    counts = emulator.stats()["operations"].get(operation)
    return int(counts["requests"]) if counts else 0
