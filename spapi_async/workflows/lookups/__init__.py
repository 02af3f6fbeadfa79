"""The mechanism of look-ups: calls for single items, made within a few milliseconds, share one request.

``await seller.catalog.item(asin)`` requests one ASIN; the request that is sent asks for up to twenty. Amazon counts
requests, not items: twenty look-ups that share a request cost one token, and a bucket of 2 requests a second serves 40
items. The facts about a batch operation (how many items fit, which may share a request, where the key is in request and
reply, what "not found" looks like) are a :class:`Rule`; the mechanism is the same for all of them:

- ``_queue``: the waiting keys in order of priority, each once however many callers want it, and the parts into which a
  refused batch is divided. Pure.
- ``_window``: when a batch is sent. Pure. A batch stays open until the next token is available, because it could not be
  sent earlier anyway. If a token is available now, the batch is sent when it is full, when it has as many keys as
  usual, or after five milliseconds.
- ``_batcher``: sends requests and gives the answers to the callers. Each caller keeps its own priority, ``max_wait``,
  deadline and cancellation; a request under way is cancelled only when all its callers have left.

A key that is already waiting is requested once. A key whose request is under way is requested again: a call made after
a write must not get an answer from before the write.

Amazon refuses a whole batch for one bad identifier, without naming it. A refused batch is halved until the bad key is
alone, and only this key fails. If one half succeeds, the other must contain the bad key, so it is halved at once.

A search omits what it does not find. But if a reply omits keys that Amazon must answer, or has an entry that belongs to
none of the keys, each key that it does not mention is requested again, alone. So an odd reply never makes a caller get
"not found", or the answer to another key.
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
