"""What happens to a board in one step, in Lua: Redis runs each script alone.

A mark is the time at which it expires, a space, and the worker that runs the slice: nobody while it waits.
"""

from __future__ import annotations

__all__ = ["BEGIN", "END", "LEAVE", "MARK", "SWAP", "TICK"]

_MARKS = """
local function mark_of(key, seller)
  local expires_at, worker = string.match(redis.call('hget', key, seller) or '0 ', '^(%S+) (.*)$')
  return tonumber(expires_at), worker
end
"""

# KEYS: sellers, due, progress...; `at` is the place of the new state in ARGV, before its due time and its progress.
_STORE = """
local function store(seller, at)
  redis.call('hset', KEYS[1], seller, ARGV[at])
  redis.call('zadd', KEYS[2], ARGV[at + 1], seller)
  for number = 3, #KEYS do
    local reached = ARGV[at + number - 1]
    if reached == '' then redis.call('zrem', KEYS[number], seller) end
    if reached ~= '' then redis.call('zadd', KEYS[number], reached, seller) end
  end
end
"""

TICK = """
local before = redis.call('hmget', KEYS[1], 'scheduler', 'at')
if (before[1] or '') ~= ARGV[1] or (before[2] or '') ~= ARGV[2] then return 0 end
redis.call('hset', KEYS[1], 'scheduler', ARGV[3], 'at', ARGV[4], 'ahead', ARGV[5])
return 1
"""
"""Set the clock, unless it has been set since it was read. KEYS: clock; ARGV: scheduler and time as read, the new ones,
how far ahead."""

SWAP = f"""{_STORE}
if redis.call('hget', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
store(ARGV[1], 3)
return 1
"""
"""A state takes the place of the one that it was made from, and of no other. ARGV: seller, old state, new state."""

MARK = f"""{_MARKS}
local marked = {{}}
for number = 3, #ARGV, 2 do
  local seller, due_at = ARGV[number], redis.call('zscore', KEYS[2], ARGV[number])
  if due_at and tonumber(due_at) == tonumber(ARGV[number + 1]) and mark_of(KEYS[1], seller) <= tonumber(ARGV[1]) then
    redis.call('hset', KEYS[1], seller, ARGV[2] .. ' ')
    marked[#marked + 1] = seller
  end
end
return marked
"""
"""Mark the sellers that are still due and have no mark. KEYS: marks, due; ARGV: now, when the marks expire, each seller
and its due time."""

BEGIN = f"""{_MARKS}
redis.call('hdel', KEYS[2], '')
local due_at = redis.call('zscore', KEYS[1], ARGV[1])
if not due_at or tonumber(due_at) ~= tonumber(ARGV[2]) then return 0 end
local expires_at, worker = mark_of(KEYS[2], ARGV[1])
if worker ~= '' and worker ~= ARGV[3] and expires_at > tonumber(ARGV[4]) then return 0 end
redis.call('hset', KEYS[2], ARGV[1], ARGV[5] .. ' ' .. ARGV[3])
return 1
"""
"""Make the mark of a seller that is due this worker's. KEYS: due, marks; ARGV: seller, due time, worker, now, when the
mark expires. Deleting nothing is a write, too: a primary that a failover has made a replica refuses it, and does not
answer from what was due before the failover."""

END = f"""{_MARKS}{_STORE}
local marks = table.remove(KEYS)
if (redis.call('hget', KEYS[1], ARGV[1]) or '') ~= ARGV[4] then return -1 end
local due_at = redis.call('zscore', KEYS[2], ARGV[1])
local expires_at, worker = mark_of(marks, ARGV[1])
if worker == '' or worker == ARGV[3] then redis.call('hdel', marks, ARGV[1]) end
if not due_at or tonumber(due_at) ~= tonumber(ARGV[2]) or (worker ~= '' and worker ~= ARGV[3]) then return 0 end
store(ARGV[1], 5)
return 1
"""
"""Note the outcome of a slice and remove its mark; 0: another slice has begun or was noted since; -1: the state is not
the one that the new one was made from. KEYS: sellers, due, progress..., marks; ARGV: seller, due time, worker, old
state, new state."""

LEAVE = f"""{_MARKS}
for number = 2, #ARGV do
  local _, worker = mark_of(KEYS[1], ARGV[number])
  if worker == ARGV[1] then redis.call('hdel', KEYS[1], ARGV[number]) end
end
"""
"""Remove the marks of sellers that are this worker's. KEYS: marks; ARGV: worker, sellers."""
