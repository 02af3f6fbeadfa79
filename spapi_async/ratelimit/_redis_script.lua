-- One exchange between a process and one bucket, atomic on the server. The theory is in _redis.py; here is the arithmetic.
--
-- KEYS[1] the bucket of one account; KEYS[2] what all accounts of the operation share (application bucket, marker of this
-- memory). Both carry the same hash tag. ARGV[1] the request. Time is the server's. Levels may be negative: tokens that do not exist yet have been sold, to be used when they do.

local PATIENCE = 1.0        -- seconds that a process may come late for the tokens kept for it
local LONGEST_POLL = 10.0   -- a waiting process asks again at least this often, so that it hears of quota given back
local FORGET = 120.0        -- a process not heard of for so long is not counted any more
local BUCKET_TTL = 3600     -- beyond the time the bucket needs to fill: learned rates outlive it
local SHARED_TTL = 86400
local CUT, FLOOR = 0.8, 0.05
local NEAR, APPROACH, PROBE = 0.95, 0.1, 0.0005
local SHARES = {math.huge, 4, 8}  -- after so many tokens to higher priorities, one goes to NORMAL, to BULK

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

-- Tokens held back so that requests bunched by the network still find one in Amazon's bucket.
local function headroom(s)
  return min(max(s.z - 1, 0), max(min(1, s.z / 10), s.r * req.jitter))
end

local function capacity(s)
  return s.z - headroom(s)
end

-- A bucket too small for headroom is protected by spacing instead.
local function pace(s)
  local missing = max(0, req.jitter - (s.z - 1) / s.r)
  return 1 / (1 / s.r + min(missing, 0.1 / s.r))
end

local function settle(s, leased)
  local passed = max(0, now - s.t)
  s.k = min(s.k + passed * pace(s), capacity(s) - leased)
  s.t = now
end

local function fresh(rate, burst, level)
  local s = {r = rate, a = rate, b = burst, z = burst, t = now, cut = 0, n = 0, top = rate, adm = 0, thr = 0, v = 0,
             sh = {0, 0, 0}, p = {}}
  s.k = min(level, capacity(s))
  return s
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
    s.k = -headroom(s)
    s.seeded = 1
  end
elseif amnesia and not s.seeded then
  -- Somebody new came first and was believed. Once is enough: more would stall everyone.
  s.k = min(s.k, -headroom(s))
  s.seeded = 1
  if app then app.k = min(app.k, 0) end
end

if s.b ~= req.burst then s.b, s.z = req.burst, req.burst end

local me = s.p[req.me]
if not me then
  me = {n = 0, f = 0, c = {0, 0, 0}, q = 0, t = s.v, l = 0, x = 0, g = 0, gl = 0, s = now}
  s.p[req.me] = me
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
  s.k = min(s.k + count, capacity(s))
  s.adm = s.adm - count
  if app then
    app.k = min(app.k + count, capacity(app))
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
  if rate ~= s.a then
    s.r = (s.r < s.a) and s.r * rate / s.a or rate
    s.top = s.top * rate / s.a
    s.a = rate
  end
end

local function throttled(sent_at, count)
  s.thr = s.thr + count
  -- Requests that were already on their way at the last decrease say nothing new.
  if sent_at <= s.cut then return end
  if s.k >= 1 then s.z = max(1, s.z - max(1, s.k / 2)) end  -- we believed in tokens that were not there
  s.k = min(s.k, -headroom(s))
  s.top = s.r
  s.r = max(s.r * CUT, s.a * FLOOR)
  s.cut, s.n = now, 0
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
      s.k = max(min(s.k, -headroom(s)), s.k - f.spent)
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

local share = {s.sh[1], s.sh[2], s.sh[3]}

-- A rival competes for a token of the time `delay` from now if it will be here to take it.
local function waits(e, class, delay)
  return e.c[class] > 0 and e.q <= now + delay + 0.1
end

local function first_of(class, delay)
  local best = waits(self, class, delay) and self or nil
  for _, e in ipairs(rivals) do
    if waits(e, class, delay) and (not best or e.t < best.t) then best = e end
  end
  return best
end

local function next_in_line(delay)
  local best, chosen
  for class = 1, 3 do
    local candidate = first_of(class, delay)
    if candidate then
      if not best then
        best, chosen = candidate, class
      else
        share[class] = share[class] + 1
        if share[class] > SHARES[class] then best, chosen = candidate, class end
      end
    end
  end
  if not best and self.c[4] > 0 then return self, 4 end
  if chosen then share[chosen] = 0 end
  return best, chosen
end

local function delay_of(bucket, sold)
  local level = bucket.k - sold
  return level >= 1 and 0 or (1 - level) / pace(bucket)
end

local delays, gave_leased, sold, until_next = {}, 0, 0, -1
local own = 0
while sold < 400 do
  local delay = delay_of(s, sold)
  if app then delay = max(delay, delay_of(app, sold)) end
  local winner, class = next_in_line(delay)
  if not winner then break end
  winner.c[class] = winner.c[class] - 1
  winner.t = winner.t + 1
  if winner == self then
    if delay > (class == 4 and req.horizon * 0.75 or req.horizon) then
      if class < 4 then until_next = delay; self.c[class] = self.c[class] + 1 end
      break
    end
    own = own + 1
    delays[own] = delay
    if class == 4 then gave_leased = gave_leased + 1 end
    s.v = max(s.v, self.t - 1)
    s.sh = {share[1], share[2], share[3]}
  end
  sold = sold + 1
end

-- Recovery: quickly back to near the rate at which it went wrong, slowly past it, faster the longer all is well.
local function recover(count)
  for _ = 1, count do
    s.n = s.n + 1
    if s.r < s.a then
      local step = APPROACH * max(0, NEAR * s.top - s.r) + PROBE * s.a * (1 + max(0, s.n - 150) / 50)
      s.r = min(s.a, s.r + step)
    end
    if s.z < s.b then s.z = min(s.b, s.z + 0.02) end
  end
end

local gave = #delays
if gave > 0 then
  s.k = s.k - gave
  s.adm = s.adm + gave
  if app then
    app.k = app.k - gave
    app.adm = app.adm + gave
  end
  recover(gave)
end

me.n, me.g, me.gl, me.s, me.t = req.n, gave, gave_leased, now, self.t
mine.s = now
if gave_leased > 0 then
  me.l, me.x = me.l + gave_leased, now + 2 * req.horizon + PATIENCE
  mine.l, mine.x = mine.l + gave_leased, max(mine.x, me.x)
end
me.c = {self.c[1], self.c[2], self.c[3]}

-- Come back when about half a horizon of tokens can be sold, so that one visit fetches several.
local poll = -1
if me.c[1] + me.c[2] + me.c[3] > 0 then
  if until_next < 0 then until_next = delay_of(s, gave) end
  poll = min(max(until_next - req.horizon / 2, 0.02), LONGEST_POLL)
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
  now = now, delays = delays, leased = gave_leased, poll = poll, marker = shared.m, processes = processes,
  shared_processes = shared_processes, level = s.k, rate = s.r, announced = s.a, burst = s.z, pace = pace(s),
  capacity = capacity(s), admitted = s.adm, throttled = s.thr, others = others,
  app_level = app and app.k or 0, app_rate = app and app.r or 0, app_burst = app and app.z or 0,
  app_pace = app and pace(app) or 0, app_admitted = app and app.adm or 0, app_capacity = app and capacity(app) or 0,
})
