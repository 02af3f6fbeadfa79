-- 4. Feedback of the process ------------------------------------------------------------------------------------------

-- The reply to an earlier request was lost. If that request was carried out, its tokens were not received: return them.
if req.lost > 0 and me.n >= req.lost and me.g > 0 then
  unlease(req.me, me.gl)
  for _, limit in ipairs(limits) do credit(limit, me.g, limit.e.s) end
end
me.g, me.gl = 0, 0

local function announce(rate)
  local factor, before = rate / s.a, pace(s)
  s.a = rate
  s.r = min(rate, s.r * factor)
  if s.k < 0 then s.k = s.k * pace(s) / before end   -- as in settle
end

-- The server has lost its data, and this process is the first to know a rate other than the published one.
if lost_data and s.a == all[1].spec.rate and req.known_announced ~= s.a then
  announce(req.known_announced)
  s.r = min(s.r, req.known_rate)
  s.calm = s.r >= s.a
end

local function learn_burst(b, spare)
  local smaller = max(1, math.floor(b.z - spare + 1e-6))
  if spare < 2 or smaller >= b.z then return end
  if b.z < b.b then b.bp = min(2 * b.bp, LONGEST_BURST_STREAK) end
  b.z, b.zt = smaller, smaller
end

local function lower_rate(b)
  -- One more than in _adaptation.py: the refused request's own token was counted as a success when it was granted.
  b.alt = b.n <= 2 and b.alt + 1 or 0
  if b.b < 2 and b.r >= b.a and b.alt < TOO_FAST_AFTER then return end
  local lowest, far_off = b.a * LOWEST_FRACTION, b.n < SHORT_STREAK * b.tol
  if not b.calm then
    b.st = far_off and min(GROW_STEP * b.st, LARGEST_STEP) or max(SHRINK_STEP * b.st, SMALLEST_STEP)
    if not far_off or (b.r <= lowest and b.alt < TOO_FAST_AFTER) then
      b.bl = max(b.bl + REFUSAL_EVIDENCE - b.n / b.tol, 0)
    end
  end
  if b.bl < FUTILE_AT then
    b.r = max(b.r * (1 - b.st), lowest)
  else
    b.bl, b.alt, b.tol, b.st, b.r = 0, 0, max(math.floor(b.tol / 2), LEAST_INTENDED_STREAK), LARGEST_STEP, b.a
  end
end

local function decrease(limit)
  local b = limit.b
  if b.w then
    -- Another client uses the same window: when its requests expire is unknown, so try at their mean distance.
    b.block = max(b.block, now + b.w / b.b)
  else
    learn_burst(b, limit.spec.shared and 0 or b.k)
    lower_rate(b)
    b.n, b.bn, b.calm = 0, 0, false
    b.k = min(b.k, 1 - min(TOKENS_AFTER_429, b.z))
  end
  b.cut = now
end

-- How much of a limit is left, as a fraction; of two that are equally full, the narrower one (a rule) is suspected.
local function fullness(limit)
  local b = limit.b
  local part = b.w and (b.b - #b.log + outside(b)) / b.b or b.k / b.z
  local breadth = (limit.spec.shared and 2 or 0) + (limit.spec.kind == 'rule' and 0 or 1)
  return part, breadth
end

-- Whether calls with another value pass: this process has seen one pass, or tokens were sold for them some time ago and
-- there was no 429 since.
local function others_pass(seen)
  if seen > 0 then return true end
  for _, e in pairs(s.p) do
    if (e.a or '') ~= me.a and e.ps and e.ps < now - LAST_ARRIVAL then return true end
  end
  return false
end

-- The limit that a 429 is about, which Amazon rarely names. The same decision as blame() in _decision.py, from what is
-- known here.
local function culprit(named, seen)
  local suspect = shared.suspect
  shared.suspect = {KEYS[1], now, req.kind}
  if named > 0 and all[named] then return all[named] end
  if suspect and math.abs(now - suspect[2]) < SAME_CAUSE_WITHIN then
    if suspect[1] ~= KEYS[1] then
      for _, limit in ipairs(limits) do
        if limit.spec.shared then return limit end
      end
    elseif (suspect[3] or '') ~= req.kind then
      return all[1]
    end
  end
  local optional
  for index, spec in ipairs(req.limits) do
    if spec.optional and not all[index] then optional = index end
  end
  if optional and #limits == 1 and s.k >= 1 and others_pass(seen) then
    local limit = enter(optional, req.limits[optional], create(req.limits[optional]))
    limit.leased = 0
    return limit
  end
  local emptiest, least, narrowest
  for _, limit in ipairs(limits) do
    local part, breadth = fullness(limit)
    if not emptiest or part < least or (part == least and breadth < narrowest) then
      emptiest, least, narrowest = limit, part, breadth
    end
  end
  return emptiest
end

local function throttled(sent_at, count, named, seen)
  s.thr = s.thr + count
  me.ps = nil
  local limit = culprit(named, seen)
  if limit ~= all[1] then limit.b.thr = limit.b.thr + count end
  -- Requests that were sent before the last decrease are part of the same event.
  if sent_at > limit.b.cut then decrease(limit) end
end

for _, f in ipairs(req.feedback) do
  if f.seq > me.f then
    me.f = f.seq
    -- Tokens used after the lease had ended, so that they were already returned (or lost by the server): charge them
    -- again.
    s.k = s.k - max(0, f.used - me.l)
    if f.used > 0 then
      for _, limit in ipairs(limits) do
        may_be_late(limit, limit.b.k, now)
        limit.e.bk = now
      end
      me.ps = me.ps or now
    end
    local back = min(f.back, me.l)
    unlease(req.me, f.used)
    unlease(req.me, back)
    local count = back + (lost_data and 0 or f.credit)
    for _, limit in ipairs(limits) do credit(limit, count, f.credit_at) end
    if f.spent > 0 then
      -- Tokens used while the server was away, while its buckets were filling: subtract them, but create no debt.
      for _, limit in ipairs(limits) do
        local b = limit.b
        if b.w then
          for _ = 1, min(f.spent, b.b) do log(b.log, now) end
        else
          b.k = max(min(b.k, 0), b.k - f.spent)
        end
        for _ = 1, min(f.spent, b.other and max(b.other.most or 0, b.other.b) or 0) do remember(limit, now) end
        b.adm = b.adm + f.spent
      end
    end
    if f.rate > 0 then announce(f.rate) end
    if f.hits > 0 then throttled(f.hit_at, f.hits, f.hit_limit, f.others_pass) end
  end
end

-- After a 429 the level is known: the bucket is empty, and no tokens are uncounted.
for _, limit in ipairs(limits) do
  local b = limit.b
  if not b.w and b.cut == now then b.h, b.o, b.d = 0, now, 0 end
end

