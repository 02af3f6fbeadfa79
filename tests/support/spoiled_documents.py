"""Result documents of the emulator, replaced by what a hostile server would send."""

from __future__ import annotations

import gzip
from typing import Any

from spapi_async.emulator import Emulator

__all__ = ["spoil"]


def spoil(
    emulator: Emulator, kind: str, content: bytes | None, *, content_type: str = "application/json", **facts: Any
) -> None:
    """Every job of that kind gets this document, or none with None; ``compressed`` gzips it.

    A document that already has an id keeps it. Call it between the request and the wait.
    """
    for seller in emulator.world.sellers:
        for job in seller.jobs.newest_first(kind):

            def finish(_: Any, owner: str = seller.id) -> Any:
                if content is None:
                    return None
                publish = emulator.world.documents.publish
                made = publish(owner, "amzn1.tortuga.4.na.", content, content_type, compress=False)
                if facts.get("compressed"):
                    made.content = gzip.compress(content)[: facts.get("cut")]
                    made.compressed = True
                return made

            job.finish = finish
            if job.made is not None and content is not None:
                job.made.content, job.made.compressed = content, False
