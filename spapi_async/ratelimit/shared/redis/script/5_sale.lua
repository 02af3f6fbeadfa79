-- 5. The sale of tokens -----------------------------------------------------------------------------------------------
--
-- The next tokens are assigned one by one among all waiting processes. This process is granted its tokens; the others'
-- stay in the bucket until they ask. Each process is told to ask again just before its next turn (LEAD), so that tokens
-- are sold late: a sold token cannot go to a more urgent call any more. To save round trips, a turn is a run of several
-- tokens: those that flow in within the horizon, or within RUN_PART of it if other processes wait or urgent calls are
-- likely. Calls of another kind (with another value of an argument that has limits of its own) count as another
-- process: they compete for tokens of the usage plan, but do not use this kind's rules.

local function copy(pid, e, counts)
  return {
    id = pid, c = {counts[1], counts[2], counts[3], 0}, t = max(e.t, s.v), q = e.q,
    same_kind = (e.y or '') == req.kind,
  }
end

local lead = min(LEAD, req.horizon / 2)
local self = copy(req.me, me, req.waiting)
self.q = 0
local rivals = {}
local urgent = req.waiting[1] > 0
for pid, e in pairs(s.p) do
  if pid ~= req.me and e.c[1] + e.c[2] + e.c[3] > 0 and now - e.q < GRACE then
    -- Its expected calls count, too; otherwise its turn would be too short.
    rivals[#rivals + 1] = copy(pid, e, {max(e.c[1], e.e[1]), max(e.c[2], e.e[2]), max(e.c[3], e.e[3])})
    urgent = urgent or e.c[1] > 0
  elseif pid ~= req.me and e.e[1] + e.e[2] + e.e[3] > 0 and now - e.q < lead then
    -- No call of it waits, but it will probably have more calls by its next turn.
    rivals[#rivals + 1] = copy(pid, e, e.e)
    rivals[#rivals].absent = true
  end
end
-- The process with the fewest tokens so far is next. A process that was away starts with the count of the one that is
-- next, so that it does not get many turns at once.
local front = self.t
for _, e in ipairs(rivals) do front = min(front, e.t) end

-- If there was an urgent call lately, one token is reserved for the next one, which then need not wait until the tokens
-- sold ahead have flowed in. After it is taken, the next one is reserved when everything sold until then has flowed in.
local windowed, guessing = false, false
for _, limit in ipairs(limits) do
  local b = limit.b
  windowed = windowed or b.w ~= nil
  limit.reserved = not b.w and now - b.u < URGENT_MEMORY and b.z >= 4 and 1 or 0
  limit.took = limit.reserved == 0
  if urgent and not b.w then b.u = now end
  limit.hold = withheld(limit)
  -- The first requests to a full bucket are unanswered; when they are answered, fewer tokens will be uncounted.
  guessing = guessing or (not b.w and limit.hold > b.h + 1)
  limit.list = b.log
  if b.w and #rivals > 0 then
    limit.list = {}
    for index, moment in ipairs(b.log) do limit.list[index] = moment end
  end
end

local crowded = #rivals > 0 or now - s.u < URGENT_MEMORY
local longest_run = max(1, math.floor(slowest_pace * req.horizon * (crowded and RUN_PART or 1)))
local span = (longest_run - 1) / slowest_pace
-- Tokens of a window are not leased, because the time of their use matters.
self.c[4] = windowed and 0 or req.prefetch

local passed = {s.sh[1], s.sh[2], s.sh[3]}
local winner, class, run = nil, 4, 0

-- Whether a process competes for a token that becomes available in `delay` seconds: it must have asked again by then.
-- For a token that is available now, calls of it must be waiting now.
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

-- The process that gets the next token, and the priority. Urgent calls can have it after `urgent_delay` seconds, others
-- after `delay`.
local function next_in_line(delay, urgent_delay)
  local best, chosen, most = nil, 4, MOST_PASSES - 1
  local candidates, due = {}, {urgent_delay, delay, delay}
  for each = 1, 3 do
    local candidate = first_of(each, due[each])
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
  -- A process keeps its turn for a whole run, including its expected calls; else turns of fast operations are too
  -- short.
  if winner and class == chosen and run > 0 and run < longest_run then
    if waits(winner, chosen, due[chosen]) then return winner, chosen end
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

local function delay_at(limit, number, for_urgent)
  local b = limit.b
  if b.w then return window_delay(b, limit.list) end
  if not for_urgent then return bucket_delay(limit, limit.hold, number, limit.reserved) end
  if not limit.took and b.x <= now then return 0 end
  return bucket_delay(limit, limit.hold, number, 0)
end

-- Whether calls of every kind use a limit, or only calls of this kind.
local function is_common(limit) return limit.spec.kind ~= 'rule' end

local function delays_after(number, for_urgent)
  local common, own = 0, 0
  for _, limit in ipairs(limits) do
    local delay = delay_at(limit, number or limit.sold, for_urgent)
    own = max(own, delay)
    if is_common(limit) then common = max(common, delay) end
  end
  return common, own
end

local lendable = math.huge
for _, limit in ipairs(limits) do
  if not limit.b.w then lendable = min(lendable, math.floor(LENDABLE_PART * limit.b.z) - limit.leased) end
end
local latest = (crowded or longest_run == 1) and 2 * lead or max(2 * lead, req.horizon / 2)
-- If a bucket is so small that tokens must be spaced, they are sold one by one, each after the reply to the last
-- request.
local spaced, slowest_rate = false, math.huge
for _, limit in ipairs(limits) do
  local rate = limit.b.r or pace(limit.b)
  spaced = spaced or pace(limit.b) < 0.98 * rate
  slowest_rate = min(slowest_rate, rate)
end
if guessing or spaced then latest, span = lead, 0 end
local delays, gave_leased, sold, until_next, urgent_given, lent_out = {}, 0, 0, -1, false, false
while sold < 400 and self.c[1] + self.c[2] + self.c[3] + self.c[4] > 0 do
  local common, own = delays_after()
  local urgent_common, urgent_own = delays_after(nil, true)
  local kind
  winner, kind = next_in_line(common, urgent_common)
  if not winner then break end
  if kind < 4 then class = kind end
  local delay = winner.same_kind and own or common
  if kind == 1 then
    delay = winner.same_kind and urgent_own or urgent_common
    for _, limit in ipairs(limits) do limit.took = true end
  end
  run = run + 1
  winner.t = winner.t + 1
  if winner == self then
    -- A turn begins when its first token is nearly due; then the whole run is sold.
    lent_out = kind == 4 and gave_leased >= lendable
    if delay > latest + 1e-9 or lent_out then
      if kind < 4 then until_next = delay end
      break
    end
    if #delays == 0 then latest = max(lead + span, delay + min(span, RUN_PART * req.horizon)) end
    urgent_given = urgent_given or kind == 1
    delays[#delays + 1] = {delay, kind == 4}
    if kind == 4 then gave_leased = gave_leased + 1 end
    for _, limit in ipairs(limits) do
      limit.e.bk = max(limit.e.bk or 0, now + delay)
      if limit.b.w then
        log(limit.b.log, now + delay + req.jitter)
      else
        may_be_late(limit, max(limit.b.k - limit.sold, 1), now + delay)
      end
      if kind < 4 then remember(limit, now + delay + req.jitter) end
    end
    s.v = max(s.v, front)
    -- Only granted tokens count for the shares of priorities: a rival may still ask for the token of its turn.
    for each = 1, 3 do
      if each == class or not (elsewhere[each] or self.c[each] > 0) then
        s.sh[each] = 0
      elseif each > class then
        s.sh[each] = s.sh[each] + 1
      end
    end
  end
  for _, limit in ipairs(limits) do
    if winner.same_kind or is_common(limit) then
      limit.sold = limit.sold + 1
      if limit.b.w and (winner ~= self or limit.list ~= limit.b.log) then log(limit.list, now + delay + req.jitter) end
    end
  end
  winner.c[kind] = winner.c[kind] - 1
  sold = sold + 1
end

-- A granted token counts as a success, because replies are not reported one by one.
local function recover(b, count)
  if b.w or b.calm then return end
  for _ = 1, count do
    b.n = b.n + 1
    if b.n >= ALONE_AFTER * b.tol then b.tol = min(2 * b.tol, INTENDED_STREAK) end
    if b.r < b.a then
      local boldness = max(b.n / (BOLD_AFTER * b.tol), 1)
      b.r = min(b.r * (1 + b.st / b.tol * boldness ^ 3), b.a)
    elseif b.z >= b.b and b.tol == INTENDED_STREAK and b.n > 2 then
      b.calm, b.st, b.bl, b.alt, b.bp = true, LARGEST_STEP, 0, 0, BURST_STREAK
      return
    end
    if b.z < b.b then
      b.bn = b.bn + 1
      if b.bn >= b.bp then
        b.bn, b.z = 0, min(b.z + 1, b.b)
        b.zt = b.z < (b.bm or b.b) and b.z or nil
      end
    end
  end
end

local gave = #delays
if gave > gave_leased then me.ps = me.ps or now + delays[1][1] end
if gave > 0 then
  for _, limit in ipairs(limits) do
    local b = limit.b
    if not b.w then b.k = b.k - gave end
    limit.certain = limit.certain and gave == 0
    b.adm = b.adm + gave
    recover(b, gave)
  end
end

for _, limit in ipairs(limits) do
  if limit.b.w then limit.list = limit.b.log end
end

-- When the token reserved for urgent calls will be available: after everything sold until now has flowed in.
for _, limit in ipairs(limits) do
  local b = limit.b
  if not b.w and (urgent_given or b.cut == now or (urgent and limit.reserved == 0)) then
    b.x = now + bucket_delay(limit, limit.hold, 0, 0)
  end
end

