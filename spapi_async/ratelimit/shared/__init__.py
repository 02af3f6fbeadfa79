"""The client side of a quota that processes share through a store.

This builds on the token bucket described in the docstring of ``spapi_async.ratelimit``. Amazon keeps one bucket for an
operation and a seller. All processes that call the operation use that bucket, so all of them must use a single copy of
it. The copy is in a store and changes only by exchanges (``_store.py``), each of which is atomic and uses the store's
clock: the clocks of processes need not agree.

*Sold ahead.* Requesting each token from the store would cost a round trip per call. Instead the store sells tokens that
are about to flow in, each with the time from which it may be used; the level of the bucket goes below zero by the
tokens sold. So one exchange fetches several tokens of a fast operation, but the token of a slow operation only when it
is nearly due, so that the decision which call gets it is made late.

*Leases.* A process that has been making many calls also takes tokens for calls that it expects. These are leased: the
store records them, reserves the same room in the bucket (otherwise leased tokens could be spent together with a bucket
that has refilled in the meantime), and takes back unused tokens when the lease ends, whether the process reported or
crashed. At most three quarters of a bucket can be leased.

*Turns.* A process that must wait tells the store how many calls are waiting or expected, by priority, and when it will
ask again. The store gives each new token to the highest priority that waits anywhere, with a share for lower ones;
processes of equal priority take turns, and each is told to ask again just before its next turn. For a fast operation a
turn is a run of tokens, half of those that flow in during ``lease_seconds``: so at twenty calls a second a busy process
makes one round trip for ten calls, however many processes share the quota, and no process has more than one run. A
process that does not ask within a second of the time it named loses its turn. Within a process, a token goes to the
first call in the queue when it becomes usable, not to the call for which it was fetched.

*Urgent calls* are served from unsold tokens. For a minute after an INTERACTIVE call, one token stays in the bucket for
the next such call, which then waits only for the round trip.

*Late arrivals.* While Amazon's bucket is full nothing flows into it, so a request that arrives late costs the refill
that it would have started. Refill that may have been lost is not counted (in the first second that is much, since
nothing is known of the network) until the processes report that all requests of that time have been answered, and how
quickly.

*Feedback.* A 429 from Amazon empties the shared bucket and lowers the shared rate, once for all requests that were
already on their way; the rate recovers as tokens are spent without another 429. A rate in Amazon's header changes the
rate for all. Such feedback, and returned tokens, are sent with the next request, numbered, so that a request that is
repeated after a lost reply counts once.

*Outages.* No call waits for the store longer than ``timeout``. When the store does not answer, or answers with an error
(full, read-only), each process continues with its part of the quota (``on_outage="local"``) or refuses calls
(``"raise"``), and tries again at least once a second. A store that returns with its data is told what was spent
meanwhile. A store that returns empty is recognised by the missing marker, and begins with empty buckets, not full ones.
"""
