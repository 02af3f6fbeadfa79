"""The mechanism of look-ups: calls for single items, made within a few milliseconds, share one request.

``await seller.catalog.item(asin)`` requests one ASIN; the request that is sent asks for up to twenty. Amazon counts
requests, not items: twenty look-ups that share a request cost one token, and a bucket of 2 requests a second serves 40
items. The facts about a batch operation (how many items fit, which may share a request, where the key is in request and
reply, what "not found" looks like) are a :class:`Rule`; the mechanism is the same for all of them:

- ``_queue``: who waits for what, in order of priority; one ask a key however many callers want it; what a refused batch
  falls into. Pure.
- ``_window``: when a batch leaves. Pure. A batch collects for as long as the next token is away, for there is nothing
  to gain by closing it earlier. With a token at hand it leaves when it is full, when as many asked as are used to, or
  after five milliseconds.
- ``_batcher``: sends and hands out. Each caller keeps its own priority, ``max_wait``, deadline and cancellation: a
  request under way is given up only when everybody who waited for it has left.

A key that is already waiting is asked once. One that is under way is asked again: its answer may be older than the
call, and a call made after a write must not read what was there before it.

Amazon refuses a whole batch for one bad identifier, without naming it. A refused batch is halved until the bad one
stands alone, which then fails alone; a half that must hold it, because the other went through, is not asked as a whole.

A search leaves out what it does not find. Where a reply leaves out what must be answered, or has an entry that says of
none of the keys that it is about them, those that it does not mention are asked for again, each alone: nobody is told
"not found", and nobody gets another's answer, because Amazon's reply was odd.
"""

from spapi_async.workflows.lookups._batcher import Batcher
from spapi_async.workflows.lookups._rule import (
    Answer,
    Rule,
    check_asin,
    check_sku,
    following_token,
    item_error,
    listed,
)
from spapi_async.workflows.lookups._shared import LookUps

__all__ = [
    "Answer",
    "Batcher",
    "LookUps",
    "Rule",
    "check_asin",
    "check_sku",
    "following_token",
    "item_error",
    "listed",
]
