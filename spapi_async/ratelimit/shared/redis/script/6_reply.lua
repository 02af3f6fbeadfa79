-- 6. The reply --------------------------------------------------------------------------------------------------------

me.n, me.g, me.gl, me.t = req.n, gave, gave_leased, self.t
mine.s = now
for _, limit in ipairs(limits) do limit.e.s = now end
me.c = {self.c[1], self.c[2], self.c[3]}

-- Even a process whose calls all got tokens is told when its next turn would come, so that it does not ask earlier.
local poll = -1
local _, own_delay = delays_after(0)
me.e = {0, 0, 0}
if class < 4 and crowded then
  local wanted = req.waiting[1] + req.waiting[2] + req.waiting[3] + req.prefetch
  me.e[class] = min(req.expected, longest_run, lent_out and max(1, gave) or max(gave, wanted))
end
if me.c[1] + me.c[2] + me.c[3] > 0 then
  if until_next < 0 then until_next = own_delay end
  -- Ask again soon if there are tokens that other processes may not ask for, or many tokens are uncounted on a guess.
  local soon = guessing or own_delay == 0
  -- After the reply to the last request the next one need not be spaced: ask again in time for that.
  if spaced and gave > 0 then until_next = min(until_next, delays[gave][1] + 1 / slowest_rate) end
  poll = min(max(until_next - lead, 0.02), soon and 2 * lead or LONGEST_POLL)
elseif #rivals > 0 then
  -- A process that got less than a whole run may have expected too few calls: let it ask again sooner.
  local longest = guessing and 2 * lead or (gave < longest_run and 2 or 4) * req.horizon
  poll = min(max(delays_after(first_turns) - lead, 0), longest)
end
me.q = now + max(poll, 0)
-- A lease lasts beyond the next exchange, which reports its use. (A process returns unused tokens earlier.)
local lease = max(4 * req.horizon, poll + req.horizon)
if gave_leased > 0 then
  local ends = now + lease + GRACE
  for _, limit in ipairs(limits) do
    limit.e.l, limit.e.x = limit.e.l + gave_leased, max(limit.e.x, ends)
    for _ = 1, gave_leased do remember(limit, ends) end
  end
  me.x = ends
end

local others = {}
if req.predict > 0 then
  -- Only waiting calls: expected calls may never come.
  for _, e in ipairs(rivals) do
    if not e.absent then others[#others + 1] = {e.c[1], e.c[2], e.c[3], e.same_kind and 1 or 0} end
  end
end

-- The state of a limit for the reply. Of a window's entries, the first ones, for whose expiry the next calls wait, are
-- listed one by one. The others are combined into runs, each with the time of its last entry, so that no process
-- expects a token too early. The level of a bucket excludes uncounted tokens.
local function report(limit)
  local b = limit.b
  if b.w then
    local starts, later = {}, {}
    local old, entries = outside(b), #b.log
    local head = min(old + LONGEST_HEAD, entries)
    for index = old + 1, head do starts[index - old] = b.log[index] - now end
    local run = math.ceil((entries - head) / MOST_RUNS)
    for first = head + 1, entries, max(run, 1) do
      local last = min(first + run - 1, entries)
      later[#later + 1] = {b.log[last] - now, last - first + 1}
    end
    return {
      level = b.b - entries + old, rate = b.b / b.w, announced = b.b / b.w, burst = b.b, pace = b.b / b.w, capacity = b.b,
      admitted = b.adm, throttled = b.thr, starts = starts, later = later,
      opens = max(0, b.block - now), seconds = b.w,
    }
  end
  local level = b.k - (b.k - b.h >= 1 and b.h or limit.hold)
  return {
    level = level, rate = b.r, announced = b.a, burst = b.z, pace = pace(b), capacity = b.z - b.h,
    admitted = b.adm, throttled = b.thr,
  }
end

local states = {}
for index in ipairs(req.limits) do states[index] = all[index] and report(all[index]) or {absent = true} end

for _, limit in ipairs(limits) do
  if req.bye > 0 then forget(limit, req.me) end
  if not limit.b.w then limit.b.pc = pace(limit.b) end
  local fills = 0
  for _, form in ipairs({limit.b, limit.b.other}) do
    if form.w then trim(form) end
    fills = max(fills, form.longest or form.b / form.r)
  end
  save(limit.key, limit.b, BUCKET_TTL + fills)
end
if req.bye > 0 then shared.p[req.me] = nil end
save(KEYS[2], shared, SHARED_TTL)

return cmsgpack.pack({
  now = now, delays = delays, lease = lease, crowded = crowded and 1 or 0, poll = poll, marker = shared.m,
  processes = processes, shared_processes = shared_processes, others = others, limits = states,
})
