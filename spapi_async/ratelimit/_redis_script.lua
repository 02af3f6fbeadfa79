-- One exchange between a process and one bucket, atomic on the server. The theory is in _redis.py; here is the arithmetic.
--
-- KEYS[1] the bucket of one account; KEYS[2] what all accounts of the operation share (application bucket, marker of this
-- memory). Both carry the same hash tag. ARGV[1] the request. Time is the server's. Levels may be negative: tokens that do not exist yet have been sold, to be used when they do.

local PATIENCE = 1.0        -- seconds that a process may come late for the tokens kept for it
local LONGEST_POLL = 10.0   -- a waiting process asks again at least this often, so that it hears of quota given back
local FORGET = 120.0        -- a process not heard of for so long is not counted any more
local BUCKET_TTL = 3600     -- beyond the time the bucket needs to fill: learned rates outlive it
local SHARED_TTL = 86400
-- As in _adaptation.py and _shares.py, which say why.
local DECREASE, DECREASE_AGAIN, LOWEST = 0.85, 0.7, 1 / 20
local RECOVERY, LONGEST_RECOVERY = 100, 400
local BURST_PATIENCE, LONGEST_BURST_PATIENCE = 100, 3200
local PASSED_OVER = 9
local FAST = 10             -- tokens a second from which processes take their turns in runs, to save round trips

local req = cmsgpack.unpack(ARGV[1])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local min, max = math.min, math.max

local function load(key)
  local packed = redis.call('GET', key)
  return packed and cmsgpack.unpack(packed)
end

local function save(key, state, ttl)
  redis.call('SET', key, cmsgpack.pack(state), 'PX', string.format('%.0f', ttl * 1000))
end

local jitter = req.jitter   -- the worst of the processes seen lately; settled below

-- Tokens that stay in the bucket so that requests bunched by the network still find one at Amazon's.
local function headroom(s)
  return min(max(s.z - 1, 0), s.r * jitter)
end

-- A bucket too small for that is protected by spacing instead: while it is full, nothing flows in, so what a request
-- comes late is lost.
local function pace(s)
  local missing = max(0, jitter - (s.z - 1) / s.r)
  return 1 / (1 / s.r + min(missing, 1 / s.r))
end

local function settle(s, leased)
  local passed = max(0, now - s.t)
  s.k = min(s.k + passed * pace(s), s.z - leased)
  s.t = now
end

local function fresh(rate, burst, level)
  return {
    r = rate, a = rate, b = burst, z = burst, k = min(level, burst), t = now, adm = 0, thr = 0, v = 0, sh = {0, 0, 0}, p = {},
    calm = true, cut = 0, n = 0, knee = rate, start = rate, rec = RECOVERY, bp = BURST_PATIENCE, bn = 0,
  }
end

-- The server's memory -----------------------------------------------------------------------------------------------

local shared = load(KEYS[2])
if not shared then shared = {m = req.fresh, p = {}} end
-- The caller remembers a memory that this server has lost: no bucket of that time may be taken for full.
local amnesia = req.known ~= '' and req.known ~= shared.m

local app
if req.app_rate > 0 then
  app = shared.app
  if not app then app = fresh(req.app_rate, req.app_burst, amnesia and 0 or math.huge) end
end

local s = load(KEYS[1])
if not s then
  s = fresh(req.rate, req.burst, amnesia and 0 or math.huge)
  if amnesia then
    s.a = req.known_announced
    s.r = min(req.known_rate, s.a)
    s.seeded = 1
  end
elseif amnesia and not s.seeded then
  -- Somebody new came first and was believed. Once is enough: more would stall everyone.
  s.k = min(s.k, 0)
  s.seeded = 1
  if app then app.k = min(app.k, 0) end
end

if s.b ~= req.burst then s.b, s.z = req.burst, req.burst end

local me = s.p[req.me]
if not me then
  me = {n = 0, f = 0, c = {0, 0, 0}, q = 0, t = s.v, l = 0, x = 0, g = 0, gl = 0, s = now}
  s.p[req.me] = me
end
me.j = req.jitter
for _, e in pairs(s.p) do
  if now - e.s < 2 then jitter = max(jitter, e.j) end
end
local mine = shared.p[req.me]
if not mine then
  mine = {s = now, l = 0, x = 0}
  shared.p[req.me] = mine
end

-- A request that was overtaken by a later one of the same process (it lay in the socket of a paused server).
if req.n <= me.n then return cmsgpack.pack({stale = 1, now = now}) end

-- Leases and what has accrued -------------------------------------------------------------------------------------------

local function unlease(owner, entry, count)
  entry.l = max(0, entry.l - count)
  if owner then owner.l = max(0, owner.l - count) end
end

local leased, shared_leased, processes, shared_processes = 0, 0, 0, 0
for _, e in pairs(s.p) do leased = leased + e.l end
for _, e in pairs(shared.p) do shared_leased = shared_leased + e.l end
settle(s, leased)
if app then settle(app, shared_leased) end

local function credit(count)
  s.k = min(s.k + count, s.z)
  s.adm = s.adm - count
  if app then
    app.k = min(app.k + count, app.z)
    app.adm = app.adm - count
  end
end

for pid, e in pairs(s.p) do
  if e.l > 0 and e.x <= now then
    -- Its owner is gone: what it did not say it used comes back.
    local count = e.l
    unlease(shared.p[pid], e, count)
    credit(count)
  end
  if pid ~= req.me and now - e.s > FORGET and e.l == 0 then s.p[pid] = nil else processes = processes + 1 end
end
for pid, e in pairs(shared.p) do
  if e.l > 0 and e.x <= now then e.l = 0 end
  if pid ~= req.me and now - e.s > FORGET and e.l == 0 then
    shared.p[pid] = nil
  else
    shared_processes = shared_processes + 1
  end
end

-- Feedback --------------------------------------------------------------------------------------------------------------

-- The reply to an earlier request never arrived: if that request ran, what it gave was not received.
if req.lost > 0 and me.n >= req.lost and me.g > 0 then
  unlease(mine, me, me.gl)
  credit(me.g)
end
me.g, me.gl = 0, 0

local function announce(rate)
  local factor = rate / s.a
  s.a = rate
  s.r = min(rate, s.r * factor)
  s.knee = s.knee * factor
  s.start = s.start * factor
end

local function learn_burst(b, spare)
  local smaller = max(1, math.floor(b.z - spare + 1e-6))
  if spare < 2 or smaller >= b.z then return end
  if b.z < b.b then b.bp = min(2 * b.bp, LONGEST_BURST_PATIENCE) end
  b.z = smaller
end

local function decrease(b, spare)
  learn_burst(b, spare)
  local steady = not b.calm and math.abs(b.r - b.knee) < 0.2 * b.knee
  b.rec = steady and min(b.rec * 1.5, LONGEST_RECOVERY) or RECOVERY
  local again = not b.calm and b.n == 0
  b.knee = (not b.calm and b.r < b.knee) and b.r * (1 + DECREASE) / 2 or b.r
  b.r = max(b.r * (again and DECREASE_AGAIN or DECREASE), b.a * LOWEST)
  b.start = b.r
  b.cut, b.n, b.bn, b.calm = now, 0, 0, false
  b.k = min(b.k, 0)
end

local function throttled(sent_at, count)
  s.thr = s.thr + count
  -- Amazon does not say which limit was hit: the one nearer to empty, or the common one when it hits two accounts in a row.
  local suspect = shared.suspect
  shared.suspect = {KEYS[1], now}
  if app and (app.k / app.z < s.k / s.z or (suspect and suspect[1] ~= KEYS[1] and now - suspect[2] < 5)) then
    app.thr = app.thr + count
    if sent_at > app.cut then decrease(app, 0) end
  elseif sent_at > s.cut then
    -- Requests that were already on their way at the last decrease say nothing new.
    decrease(s, s.k)
  end
end

for _, f in ipairs(req.feedback) do
  if f.seq > me.f then
    me.f = f.seq
    -- Used after the lease ran out, when it had already been given back (or this server forgot it): charge it again.
    s.k = s.k - max(0, f.used - me.l)
    unlease(mine, me, f.used)
    local back = min(f.back, me.l)
    unlease(mine, me, back)
    credit(back + (amnesia and 0 or f.credit))
    if f.spent > 0 then
      -- Used while this server was away, when its bucket went on filling: undo that, but do not run into debt.
      s.k = max(min(s.k, 0), s.k - f.spent)
      if app then app.k = max(min(app.k, 0), app.k - f.spent) end
      s.adm = s.adm + f.spent
    end
    if f.rate > 0 then announce(f.rate) end
    if f.hits > 0 then throttled(f.hit_at, f.hits) end
  end
end

-- Who gets the next tokens ----------------------------------------------------------------------------------------------

local function copy(e, counts)
  return {c = {counts[1], counts[2], counts[3], 0}, t = max(e.t, s.v), q = e.q}
end

local self = copy(me, req.waiting)
self.c[4] = req.prefetch
self.q = 0
local rivals = {}
for pid, e in pairs(s.p) do
  if pid ~= req.me and e.c[1] + e.c[2] + e.c[3] > 0 and now - e.q < PATIENCE then
    rivals[#rivals + 1] = copy(e, e.c)
  end
end

local passed = {s.sh[1], s.sh[2], s.sh[3]}
local winner, class, run = nil, 4, 0
local longest_run = pace(s) >= FAST and math.ceil(pace(s) / 4) or 1

-- A rival competes for a token of the time `delay` from now if it will be here to take it.
local function waits(e, wanted, delay)
  return e.c[wanted] > 0 and e.q <= now + delay + 0.1
end

local function first_of(wanted, delay)
  local best = waits(self, wanted, delay) and self or nil
  for _, e in ipairs(rivals) do
    if waits(e, wanted, delay) and (not best or e.t < best.t) then best = e end
  end
  return best
end

local function next_in_line(delay)
  local best, chosen, most = nil, 4, PASSED_OVER - 1
  local candidates = {}
  for each = 1, 3 do
    local candidate = first_of(each, delay)
    candidates[each] = candidate
    if candidate and not best then
      best, chosen = candidate, each
    elseif candidate and passed[each] > most then
      best, chosen, most = candidate, each, passed[each]
    end
  end
  for each = 1, 3 do
    if each == chosen or not candidates[each] then
      passed[each] = 0
    elseif each > chosen then
      passed[each] = passed[each] + 1
    end
  end
  if not best then return self.c[4] > 0 and self or nil, 4 end
  -- Who has its turn keeps it for a run, expected calls included: the turns of fast operations would be too short.
  if winner and class == chosen and run > 0 and run < longest_run then
    if waits(winner, chosen, delay) then return winner, chosen end
    if winner == self and self.c[4] > 0 then return self, 4 end
  end
  run = 0
  return best, chosen
end

local elsewhere = {}
for _, e in ipairs(rivals) do
  for each = 1, 3 do elsewhere[each] = elsewhere[each] or e.c[each] > 0 end
end

local function delay_of(bucket, number)
  local missing = 1 + headroom(bucket) - (bucket.k - number)
  return missing > 1e-9 and missing / pace(bucket) or 0
end

local delays, gave_leased, sold, until_next = {}, 0, 0, -1
local horizon = req.horizon
if longest_run > 1 then horizon = min(4 * horizon, max(horizon, 2 * longest_run * (1 + #rivals) / pace(s))) end
while sold < 400 do
  local delay = delay_of(s, sold)
  if app then delay = max(delay, delay_of(app, sold)) end
  local kind
  winner, kind = next_in_line(delay)
  if not winner then break end
  if kind < 4 then class = kind end
  run = run + 1
  winner.t = winner.t + 1
  if winner == self then
    -- Whose turn it is gets one token even if others have sold the horizon out: or they would, each time, before it comes.
    if delay > (kind == 4 and horizon * 0.75 or sold == 0 and horizon * 2 or horizon) then
      if kind < 4 then until_next = delay end
      break
    end
    delays[#delays + 1] = {delay, kind == 4}
    if kind == 4 then gave_leased = gave_leased + 1 end
    s.v = max(s.v, self.t - 1)
    -- Only tokens really handed out count for the shares: a rival whose turn it was may come for it later.
    for each = 1, 3 do
      if each == class or not (elsewhere[each] or self.c[each] > 0) then
        s.sh[each] = 0
      elseif each > class then
        s.sh[each] = s.sh[each] + 1
      end
    end
  end
  winner.c[kind] = winner.c[kind] - 1
  sold = sold + 1
end

-- A token handed out stands for a success: replies are not reported one by one.
local function recover(b, count)
  if b.calm then return end
  for _ = 1, count do
    b.n = b.n + 1
    if b.r < b.a then
      local progress = b.n / b.rec - 1
      b.r = min(b.a, max(b.r, b.knee + max(b.knee - b.start, 0.02 * b.a) * progress ^ 3))
    elseif b.z >= b.b then
      b.calm, b.rec, b.bp = true, RECOVERY, BURST_PATIENCE
      return
    end
    if b.z < b.b then
      b.bn = b.bn + 1
      if b.bn >= b.bp then b.bn, b.z = 0, min(b.z + 1, b.b) end
    end
  end
end

local gave = #delays
if gave > 0 then
  s.k = s.k - gave
  s.adm = s.adm + gave
  if app then
    app.k = app.k - gave
    app.adm = app.adm + gave
    recover(app, gave)
  end
  recover(s, gave)
end

me.n, me.g, me.gl, me.s, me.t = req.n, gave, gave_leased, now, self.t
mine.s = now
if gave_leased > 0 then
  me.l, me.x = me.l + gave_leased, now + 2 * horizon + PATIENCE
  mine.l, mine.x = mine.l + gave_leased, max(mine.x, me.x)
end
me.c = {self.c[1], self.c[2], self.c[3]}

-- Come back when about half a horizon of tokens can be sold, so that one visit fetches several.
local poll = -1
if me.c[1] + me.c[2] + me.c[3] > 0 then
  if until_next < 0 then until_next = delay_of(s, gave) end
  poll = min(max(until_next - horizon / 2, 0.02), LONGEST_POLL)
end
me.q = now + max(poll, 0)

local others = {}
if req.predict > 0 then
  for index, e in ipairs(rivals) do others[index] = {e.c[1], e.c[2], e.c[3]} end
end
if req.bye > 0 then
  s.p[req.me] = nil
  shared.p[req.me] = nil
end
if app then shared.app = app end
save(KEYS[1], s, BUCKET_TTL + s.b / s.r)
save(KEYS[2], shared, SHARED_TTL)

return cmsgpack.pack({
  now = now, delays = delays, lease = 2 * horizon, poll = poll, marker = shared.m, processes = processes,
  shared_processes = shared_processes, level = s.k - headroom(s), rate = s.r, announced = s.a, burst = s.z, pace = pace(s),
  capacity = s.z - headroom(s), admitted = s.adm, throttled = s.thr, others = others,
  app_level = app and app.k - headroom(app) or 0, app_rate = app and app.r or 0, app_burst = app and app.z or 0,
  app_pace = app and pace(app) or 0, app_admitted = app and app.adm or 0, app_capacity = app and app.z - headroom(app) or 0,
})
