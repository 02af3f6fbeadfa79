"""The client side of a quota that processes share, whatever keeps it.

The theory, for those who know the token bucket from this package's docstring. Amazon keeps one bucket for an
operation and a seller; every process that calls it spends from it, so all of them must spend from one picture of
it. That picture lives in a store and changes only by exchanges (``_store.py``), each of which is atomic and runs
on the store's clock: processes need not agree on the time.

*Sold ahead.* Asking the store for each token would cost a round trip per call. Instead it sells tokens that
are about to flow in, each with the moment from which it may be used; the level of the bucket goes below zero by what
was sold. One visit thus fetches several tokens of a fast operation, and one of a slow operation only when it is
nearly due, so that the choice of who gets it is made late.

*Leases.* A process that has been making many calls also takes tokens for calls that it expects. Those are on lease:
the store keeps a record of them, holds back as much room in the bucket (or a token lent out and a bucket refilled
meanwhile could be spent together), and takes back what was not reported as used when the lease ends, whether the
process said so or crashed. Three quarters of a bucket can be on lease.

*Turns.* Processes that must wait leave word how many calls wait or are expected, by priority, and when they will ask
again. The store gives each new token to the highest priority that waits anywhere, with a share kept for the lower
ones; processes of equal priority take turns, and each is told to come back just before its next turn. Of a fast
operation a turn is a run of tokens, half of what flows in during ``lease_seconds``: so a busy process pays one round
trip for ten calls at twenty a second, however many share the quota, and nobody holds more than one run. A process
that does not come for its turn within a second of the time it named is passed over. Inside a process a token goes to
the first in line at the moment it becomes usable, whoever it was fetched for.

*Urgent calls* are served from what is not sold yet. For a minute after an INTERACTIVE call was seen, one token stays
in the bucket for the next one, which then waits for nothing but the round trip.

*Late arrivals.* While Amazon's bucket is full nothing flows into it, so a request that arrives late costs the refill
it would have started. What may have been lost so is not counted on (in the first second that is much, as nothing is
known of the network), until the processes report that all requests of that time have been answered, and how soon.

*Feedback.* A 429 from Amazon drains the shared bucket, lowers the shared rate once (requests already on their way
say nothing new), and the rate recovers as tokens are spent without another; a rate in Amazon's header changes it
for all. Such news, and tokens that come back, travel with the next request, numbered, so that a request sent again
after a lost reply counts once.

*Outages.* Nothing waits for the store longer than ``timeout``. When it does not answer, or answers with an error (full,
read-only), each process goes on with its part of the quota (``on_outage="local"``) or refuses calls ("raise"), and
tries again at least once a second. A store that comes back with its memory is told what was spent meanwhile; one
that comes back empty is recognised by the marker it lost, and begins with an empty bucket rather than a full one.
"""
