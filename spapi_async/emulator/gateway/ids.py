"""UUIDs made from random numbers; a seeded generator gives the same ones in every run."""

from __future__ import annotations

import random

__all__ = ["new_uuid", "uuid_of"]

_unseeded = random.Random()  # noqa: S311  request ids need to differ, no more; uuid4 asks the kernel at each reply


def uuid_of(number: int) -> str:
    """128 bits in groups of 8, 4, 4, 4 and 12 digits."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_uuid() -> str:
    """A UUID that differs in every run."""
    return uuid_of(_unseeded.getrandbits(128))
