-- One exchange between a process and one bucket, atomic on the server. The theory is in _limiter.py; here is the arithmetic.
--
-- KEYS[1] the bucket of one account; KEYS[2] what all accounts of the operation share (application bucket, marker of this
-- memory). Both carry the same hash tag. ARGV[1] the request (see Request in _script.py). Time is the server's.
--
-- A bucket:  k tokens, negative when tokens that do not exist yet have been sold, to be used when they do; t the moment
--            of k; h how many of them are not counted on, o when it last ran over, d by how much requests of processes
--            that have left came late since (see settle); r rate, a announced rate, b published burst, z believed burst;
--            u when an urgent call was last seen, x from when the token kept for urgent calls is there; adm and thr calls
--            admitted and throttled; p processes; v, sh whose turn it is; the rest is adaptation's.
-- A process: n its last request, f its last feedback, g and gl what its last request was given (and on lease), c calls that
--            wait and e such as are expected, by priority, q when it will ask again, t tokens it has had (who had fewest is
--            next), l tokens on lease, x their end, s when it was last seen, j its jitter, w when it was last given tokens
--            of a bucket that may have been full, d by how much those requests came late at most, p the same of requests
--            that are on their way.

local PATIENCE = 1.0        -- seconds that a process may come late for the tokens kept for it
local LONGEST_POLL = 10.0   -- a waiting process asks again at least this often, so that it hears of quota given back
local LEAD = 0.1            -- seconds before its turn at which a process is told to come back
local RUN = 0.5             -- part of the horizon that one turn may take where others wait
local FORGET = 120.0        -- a process not heard of for so long is not counted any more
local BUCKET_TTL = 3600     -- beyond the time the bucket needs to fill: learned rates outlive it
local SHARED_TTL = 86400
-- As in _adaptation.py and _shares.py, which say why.
local TOLERANCE, LEAST_TOLERANCE = 64, 4   -- called patience there
local LARGEST_STEP, SMALLEST_STEP, GROW_STEP, SHRINK_STEP = 0.15, 0.03, 1.3, 0.8
local SOON, BOLD, ALONE = 1 / 8, 4, 8
local LOWEST, RESERVE = 1 / 10, 2
local BLAME, FUTILE, TOO_FAST = 0.7, 8, 20
local BURST_PATIENCE, LONGEST_BURST_PATIENCE = 100, 3200
local PASSED_OVER = 9
local URGENT_MEMORY = 60.0  -- a token is kept for urgent calls for so long after the last one was seen
local LEND = 0.75           -- part of a bucket that may be on lease

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

-- A bucket so small that what flows in while a request may be on its way does not fit is protected by spacing: while it
-- is full, nothing flows in, so what a request comes late is lost.
local function pace(s)
  local missing = max(0, jitter - (s.z - 1) / s.r)
  return 1 / (1 / s.r + min(missing, 1 / s.r))
end

-- What has flowed in since the last exchange, whoever had it. A request is booked when it leaves. If the bucket was full
-- then, nothing flowed into Amazon's until it arrived, perhaps `late` seconds later: what flows in here meanwhile (until
-- the moment `wary`) is not counted on (`h`). That debt stays for as long as the bucket does not fill up; what would then
-- overflow here pays it off.
local function settle(s, leased, wary, late)
  local passed = max(0, now - s.t)
  local warily = min(passed, max(0, wary - s.t))
  local level = s.k + passed * pace(s)
  local spill = max(0, level - (s.z - leased))
  s.k = level - spill
  s.h = max(0, s.h + warily * s.r - min(spill, (passed - warily) * s.r))
  s.h = min(s.h, late * s.r, max(0, s.z - 1))
  if spill > 0 and s.h == 0 then s.o, s.d = now, 0 end
  s.t = now
end

local function fresh(rate, burst, level)
  return {
    r = rate, a = rate, b = burst, z = burst, k = min(level, burst), t = now, h = 0, o = now, d = 0, u = 0, x = 0,
    adm = 0, thr = 0, v = 0, sh = {0, 0, 0}, p = {},
    calm = true, cut = 0, n = 0, st = LARGEST_STEP, tol = TOLERANCE, bl = 0, alt = 0, bp = BURST_PATIENCE, bn = 0,
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
    s.calm = s.r >= s.a
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
  me = {
    n = 0, f = 0, c = {0, 0, 0}, e = {0, 0, 0}, q = 0, t = s.v, l = 0, x = 0, g = 0, gl = 0, s = now, w = 0, d = 0, p = 0,
  }
  s.p[req.me] = me
end
me.j = req.jitter
for _, e in pairs(s.p) do
  if now - e.s < 2 then jitter = max(jitter, e.j) end
end
local mine = shared.p[req.me]
if not mine then
  mine = {s = now, l = 0, x = 0, w = 0, d = 0, p = 0}
  shared.p[req.me] = mine
end

-- A request that was overtaken by a later one of the same process (it lay in the socket of a paused server).
if req.n <= me.n then return cmsgpack.pack({stale = 1, now = now}) end

-- Leases and what has accrued -------------------------------------------------------------------------------------------

local function forget(b, entries, pid)
  local e = entries[pid]
  if b and e.w >= b.o then b.d = max(b.d, e.d, e.p) end
  entries[pid] = nil
end

local function unlease(owner, entry, count)
  entry.l = max(0, entry.l - count)
  if owner then owner.l = max(0, owner.l - count) end
end

-- The process has heard of every request that left before `clear`, and none took longer than `slowest`: so much and no
-- more can those have come late that were given to it while the bucket may have been full.
for _, e in ipairs({me, mine}) do
  if e.p > 0 and req.clear > e.w then
    e.d, e.p = max(e.d, min(e.p, req.slowest)), 0
  end
end

-- Until when, and by how much, requests may come late to a bucket that is full, whichever process sent them.
local function lateness(b, entries)
  local wary, late = 0, b.d
  for _, e in pairs(entries) do
    if e.w >= b.o then wary, late = max(wary, e.w + max(e.d, e.p)), max(late, e.d, e.p) end
  end
  return wary, late
end

-- This process was given tokens (or says that it used what it had on lease) at a level with which the bucket may be full
-- before the requests arrive.
local function may_be_late(b, entry, room, level, moment)
  if level + b.r * req.jitter < room then return end
  if entry.w < b.o then entry.d = 0 end
  entry.p = max(entry.p, req.jitter)
  entry.w = max(entry.w, moment)
end

local leased, shared_leased, processes, shared_processes = 0, 0, 0, 0
for _, e in pairs(s.p) do leased = leased + e.l end
for _, e in pairs(shared.p) do shared_leased = shared_leased + e.l end
settle(s, leased, lateness(s, s.p))
if app then settle(app, shared_leased, lateness(app, shared.p)) end

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
  if pid ~= req.me and now - e.s > FORGET and e.l == 0 then forget(s, s.p, pid) else processes = processes + 1 end
end
for pid, e in pairs(shared.p) do
  if e.l > 0 and e.x <= now then e.l = 0 end
  if pid ~= req.me and now - e.s > FORGET and e.l == 0 then
    forget(app, shared.p, pid)
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
end

local function learn_burst(b, spare)
  local smaller = max(1, math.floor(b.z - spare + 1e-6))
  if spare < 2 or smaller >= b.z then return end
  if b.z < b.b then b.bp = min(2 * b.bp, LONGEST_BURST_PATIENCE) end
  b.z = smaller
end

local function lower_rate(b)
  -- One more than there: the token of the refused request was counted when it was handed out.
  b.alt = b.n <= 2 and b.alt + 1 or 0
  if b.b < 2 and b.r >= b.a and b.alt < TOO_FAST then return end
  local lowest, far_off = b.a * LOWEST, b.n < SOON * b.tol
  if not b.calm then
    b.st = far_off and min(GROW_STEP * b.st, LARGEST_STEP) or max(SHRINK_STEP * b.st, SMALLEST_STEP)
    if not far_off or (b.r <= lowest and b.alt < TOO_FAST) then b.bl = max(b.bl + BLAME - b.n / b.tol, 0) end
  end
  if b.bl < FUTILE then
    b.r = max(b.r * (1 - b.st), lowest)
  else
    b.bl, b.alt, b.tol, b.st, b.r = 0, 0, max(math.floor(b.tol / 2), LEAST_TOLERANCE), LARGEST_STEP, b.a
  end
end

local function decrease(b, spare)
  learn_burst(b, spare)
  lower_rate(b)
  b.cut, b.n, b.bn, b.calm = now, 0, 0, false
  b.k = min(b.k, 1 - min(RESERVE, b.z))
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
    if f.used > 0 then
      may_be_late(s, me, s.z - leased, s.k, now)
      if app then may_be_late(app, mine, app.z - shared_leased, app.k, now) end
    end
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

-- After a 429 the level is known again: nothing is there, and nothing more need be held back.
if s.cut == now then s.h, s.o, s.d = 0, now, 0 end
if app and app.cut == now then app.h, app.o, app.d = 0, now, 0 end

-- Who gets the next tokens ----------------------------------------------------------------------------------------------
--
-- The sale is played forward, token by token, with everybody who waits; what falls to this process is handed out, what
-- falls to the others stays in the bucket until they come. Each is told to come back just before its next turn (LEAD), so
-- that tokens are committed late: what has been sold cannot go to a more urgent call any more. To save round trips a turn
-- is a run of several tokens: what flows in within the horizon, or within RUN of it where others wait or urgent calls are
-- about.

local function copy(pid, e, counts)
  return {id = pid, c = {counts[1], counts[2], counts[3], 0}, t = max(e.t, s.v), q = e.q}
end

local lead = min(LEAD, req.horizon / 2)
local self = copy(req.me, me, req.waiting)
self.q = 0
local rivals = {}
local urgent = req.waiting[1] > 0
for pid, e in pairs(s.p) do
  if pid ~= req.me and e.c[1] + e.c[2] + e.c[3] > 0 and now - e.q < PATIENCE then
    -- The calls expected of it count too, or its turn would look too short.
    rivals[#rivals + 1] = copy(pid, e, {max(e.c[1], e.e[1]), max(e.c[2], e.e[2]), max(e.c[3], e.e[3])})
    urgent = urgent or e.c[1] > 0
  elseif pid ~= req.me and e.e[1] + e.e[2] + e.e[3] > 0 and now - e.q < lead then
    -- It got all it wanted, but is expected to have more calls by its next turn.
    rivals[#rivals + 1] = copy(pid, e, e.e)
    rivals[#rivals].absent = true
  end
end
-- Turns go round by what each process has had, counted from where the one who is next stands: nobody saves up turns by
-- staying away.
local front = self.t
for _, e in ipairs(rivals) do front = min(front, e.t) end

-- Where urgent calls have been seen lately, one token stays in the bucket for the next: it need not wait behind what has
-- been sold ahead. After it was taken, another is there when all that had been sold until then is paid for.
local function keeps(b)
  return now - b.u < URGENT_MEMORY and b.z >= 4 and 1 or 0
end
local kept, app_kept = keeps(s), app and keeps(app) or 0
if urgent then
  s.u = now
  if app then app.u = now end
end

local crowded = #rivals > 0 or now - s.u < URGENT_MEMORY
local longest_run = max(1, math.floor(pace(s) * req.horizon * (crowded and RUN or 1)))
local span = (longest_run - 1) / pace(s)
self.c[4] = req.prefetch

local passed = {s.sh[1], s.sh[2], s.sh[3]}
local winner, class, run = nil, 4, 0

-- A rival competes for a token of the time `delay` from now if it will be here to take it; for one that is there already
-- only if it waits already.
local function waits(e, wanted, delay)
  return e.c[wanted] > 0 and e.q <= now + delay + lead and not (e.absent and delay == 0)
end

local function first_of(wanted, delay)
  local best = waits(self, wanted, delay) and self or nil
  for _, e in ipairs(rivals) do
    if waits(e, wanted, delay) and (not best or e.t < best.t or (e.t == best.t and e.id < best.id)) then best = e end
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

local elsewhere, first_turns = {}, 0
for _, e in ipairs(rivals) do
  for each = 1, 3 do elsewhere[each] = elsewhere[each] or e.c[each] > 0 end
  first_turns = first_turns + min(e.c[1] + e.c[2] + e.c[3], longest_run)
end

-- What may have to be held back in the end for requests on their way, those of this sale included.
local function withheld(b, entries, room)
  local wary, late = lateness(b, entries)
  if b.k + b.r * req.jitter >= room then wary, late = max(wary, now + req.jitter), max(late, req.jitter) end
  return min(b.h + b.r * max(0, wary - now), b.r * late, max(0, b.z - 1))
end

local room, app_room = s.z - leased, app and app.z - shared_leased
local hold = withheld(s, s.p, room)
local app_hold = app and withheld(app, shared.p, app_room)

-- Seconds until the bucket has a token after `number` others were sold, and leaves `spare` of them.
local function delay_of(b, held, number, spare)
  local level = b.k - number - spare - 1
  if level - b.h >= -1e-9 then return 0 end
  return max(0, held - level) / pace(b)
end

local function delay_for(number)
  local delay = delay_of(s, hold, number, kept)
  return app and max(delay, delay_of(app, app_hold, number, app_kept)) or delay
end

local took, app_took = kept == 0, app_kept == 0
local function urgent_delay(number)
  local delay = not took and s.x <= now and 0 or delay_of(s, hold, number, 0)
  if not app then return delay end
  return max(delay, not app_took and app.x <= now and 0 or delay_of(app, app_hold, number, 0))
end

local lendable = math.floor(LEND * s.z) - leased
-- The first requests to a full bucket are on their way; when they have arrived, much less may have to be held back.
local guessing = hold > s.h + 1 or (app and app_hold > app.h + 1)
local latest = (crowded or longest_run == 1) and 2 * lead or max(2 * lead, req.horizon / 2)
if guessing then latest, span = lead, 0 end
local delays, gave_leased, sold, until_next, urgent_given, lent_out = {}, 0, 0, -1, false, false
while sold < 400 and self.c[1] + self.c[2] + self.c[3] + self.c[4] > 0 do
  local delay = delay_for(sold)
  local kind
  winner, kind = next_in_line(delay)
  if not winner then break end
  if kind < 4 then class = kind end
  if kind == 1 then
    delay = urgent_delay(sold)
    took, app_took = true, true
  end
  run = run + 1
  winner.t = winner.t + 1
  if winner == self then
    -- A turn begins when its first token is nearly due; then all of it is sold.
    lent_out = kind == 4 and gave_leased >= lendable
    if delay > latest + 1e-9 or lent_out then
      if kind < 4 then until_next = delay end
      break
    end
    if #delays == 0 then latest = max(lead + span, delay + min(span, RUN * req.horizon)) end
    urgent_given = urgent_given or kind == 1
    delays[#delays + 1] = {delay, kind == 4}
    if kind == 4 then gave_leased = gave_leased + 1 end
    may_be_late(s, me, room, max(s.k - sold, 1), now + delay)
    if app then may_be_late(app, mine, app_room, max(app.k - sold, 1), now + delay) end
    s.v = max(s.v, front)
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
    if b.n >= ALONE * b.tol then b.tol = min(2 * b.tol, TOLERANCE) end
    if b.r < b.a then
      local boldness = max(b.n / (BOLD * b.tol), 1)
      b.r = min(b.r * (1 + b.st / b.tol * boldness ^ 3), b.a)
    elseif b.z >= b.b and b.tol == TOLERANCE and b.n > 2 then
      b.calm, b.st, b.bl, b.alt, b.bp = true, LARGEST_STEP, 0, 0, BURST_PATIENCE
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

-- When the token kept for urgent calls will be there again (or at last), all that was sold until now being paid for.
local function keep(b, held, before)
  if b and (urgent_given or b.cut == now or (urgent and before == 0)) then
    b.x = now + delay_of(b, held, 0, 0)
  end
end
keep(s, hold, kept)
keep(app, app_hold, app_kept)

me.n, me.g, me.gl, me.s, me.t = req.n, gave, gave_leased, now, self.t
mine.s = now
me.c = {self.c[1], self.c[2], self.c[3]}

-- Whoever got all it wanted is told as well when its turn would come again, so that it need not ask before.
local poll = -1
me.e = {0, 0, 0}
if class < 4 and crowded then
  local wanted = req.waiting[1] + req.waiting[2] + req.waiting[3] + req.prefetch
  me.e[class] = min(req.expected, longest_run, lent_out and max(1, gave) or max(gave, wanted))
end
if me.c[1] + me.c[2] + me.c[3] > 0 then
  if until_next < 0 then until_next = delay_for(0) end
  -- While there are tokens for others that do not come for them, or much is held back on a guess, it had better look again.
  local soon = guessing or delay_for(0) == 0
  poll = min(max(until_next - lead, 0.02), soon and 2 * lead or LONGEST_POLL)
elseif #rivals > 0 then
  -- Whoever had less than a whole turn may have been given too little: its estimate is not to be trusted for long.
  local longest = guessing and 2 * lead or (gave < longest_run and 2 or 4) * req.horizon
  poll = min(max(delay_for(first_turns) - lead, 0), longest)
end
me.q = now + max(poll, 0)
-- A lease lasts beyond the next visit, which tells what was used of it. (A process gives back sooner what it does not use.)
local lease = max(4 * req.horizon, poll + req.horizon)
if gave_leased > 0 then
  me.l, me.x = me.l + gave_leased, now + lease + PATIENCE
  mine.l, mine.x = mine.l + gave_leased, max(mine.x, me.x)
end

local others = {}
if req.predict > 0 then
  for index, e in ipairs(rivals) do others[index] = {e.c[1], e.c[2], e.c[3]} end
end
if req.bye > 0 then
  forget(s, s.p, req.me)
  forget(app, shared.p, req.me)
end
if app then shared.app = app end
save(KEYS[1], s, BUCKET_TTL + s.b / s.r)
save(KEYS[2], shared, SHARED_TTL)

-- What the process may count on: nothing of what is held back, once the level is too low to hold it.
local function level_of(b, held)
  return b.k - (b.k - b.h >= 1 and b.h or held)
end

return cmsgpack.pack({
  now = now, delays = delays, lease = lease, crowded = crowded and 1 or 0, poll = poll, marker = shared.m,
  processes = processes,
  shared_processes = shared_processes, level = level_of(s, hold), rate = s.r, announced = s.a, burst = s.z, pace = pace(s),
  capacity = s.z - s.h, admitted = s.adm, throttled = s.thr, others = others,
  app_level = app and level_of(app, app_hold) or 0, app_rate = app and app.r or 0, app_burst = app and app.z or 0,
  app_pace = app and pace(app) or 0, app_admitted = app and app.adm or 0, app_capacity = app and app.z - app.h or 0,
})
