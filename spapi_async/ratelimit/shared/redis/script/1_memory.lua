-- One exchange between a process and the limits that one kind of its calls pays from, atomic on the server.
--
-- The theory is in _limiter.py, the contract in ../_store.py; here is the arithmetic, in sections: 1 what the server
-- remembers, 2 buckets and windows, 3 leases and what has accrued, 4 what the process tells, 5 who gets the next tokens,
-- 6 what is kept and answered. The sections are one script, put together by _script.py.
--
-- KEYS[1] the usage plan's bucket of one seller, with the processes that draw on it; KEYS[2] what all sellers of the
-- operation share (marker of this memory); KEYS[3...] the other limits, as req.limits[2...] describes them. All carry the
-- same hash tag; with req.former the last is the plan's key before the seller id was known. ARGV[1] the request. Time is the server's.
--
-- A bucket:  k tokens, negative when tokens that do not exist yet have been sold, to be used when they do; t the moment
--            of k; pc the pace from then on; h how many of them are not counted on, o when it last ran over, d by how much requests of processes
--            that have left came late since (see settle); r rate, a announced rate, b published burst, z believed burst, zt what a 429
--            taught of it, bm the largest that any process takes for published;
--            up when a rule with a higher rate was last put in place of a slower one;
--            la until when requests of processes that have left may have arrived;
--            u when an urgent call was last seen, x from when the token kept for urgent calls is there; adm and thr calls
--            admitted and throttled; p processes; v, sh whose turn it is; the rest is adaptation's.
-- A window:  w its seconds, b requests in it, log when each arrived at the latest, ascending; block until when nobody
--            passes; longest and most the seconds and requests of the largest that any process has, as far back as log
--            goes; gone the latest moment that `most` pushed out of it; adm, thr, p, cut as a bucket's.
-- Both:      at the server's time at the last exchange; other the limit's other form, where versions of a rule differ in
--            it: a bucket beside a window or the reverse, without adm, thr and p.
-- A process: n its last request, f its last feedback, g and gl what its last request was given (and on lease), c calls that
--            wait and e such as are expected, by priority, q when it will ask again, y which limits it pays from, a the
--            argument's value that may have one of its own,
--            t tokens it has had (who had fewest is next), l tokens on lease, x their end, s when it was last seen, j its
--            jitter, w when it was last given tokens of a bucket that may have been full, d by how much those requests
--            came late at most, p the same of requests that are on their way, bk for when its last token was sold, cl before
--            when all its requests have been answered, la when the last reply came, ps since when it sends and is not
--            refused. A process has an entry for each kind of calls, named by process and kind.

local PATIENCE = 1.0        -- seconds that a process may come late for the tokens kept for it
local LONGEST_POLL = 10.0   -- a waiting process asks again at least this often, so that it hears of quota given back
local LEAD = 0.1            -- seconds before its turn at which a process is told to come back
local RUN = 0.5             -- part of the horizon that one turn may take where others wait
local FORGET = 120.0        -- a process not heard of for so long is not counted any more
local BUCKET_TTL = 3600     -- beyond the time the bucket needs to fill: learned rates outlive it
local SHARED_TTL = 86400
local SUSPICION = 5.0       -- seconds within which the 429s of two sellers or values are taken to have one cause
local GOODBYE = 1.0         -- seconds for which requests of a process that left without their replies may be on their way
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
local MOST_ENTRIES = 1000   -- as in _conversion.py
local LONGEST_HEAD = 100    -- entries of a window that are told one by one
local MOST_RUNS = 100       -- into which the others are gathered
local BACKWARDS = 1.0       -- seconds by which a clock that goes back is merely being set right

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

local function fresh_bucket(rate, burst, full)
  return {
    r = rate, a = rate, b = burst, z = burst, k = full and burst or 0, t = now, h = 0, o = now, d = 0, u = 0, x = 0,
    adm = 0, thr = 0, v = 0, sh = {0, 0, 0}, p = {},
    calm = true, cut = 0, n = 0, st = LARGEST_STEP, tol = TOLERANCE, bl = 0, alt = 0, bp = BURST_PATIENCE, bn = 0,
  }
end

-- Nobody knows what left in a window of which the memory was lost: take it for used up evenly.
local function use_up(b)
  b.log = {}
  for i = 1, b.b do b.log[i] = now - b.w + i * b.w / b.b end
end

local function fresh_window(requests, seconds, full)
  local b = {
    w = seconds, b = requests, longest = seconds, most = requests, log = {}, block = 0, adm = 0, thr = 0, p = {}, cut = 0,
  }
  if not full then use_up(b) end
  return b
end

local shared = load(KEYS[2])
if not shared then shared = {m = req.fresh, p = {}} end
-- The caller remembers a memory that this server has lost: no limit of that time may be taken for untouched.
local amnesia = req.known ~= '' and req.known ~= shared.m

local function drain(b)
  if b.w then use_up(b) else b.k = min(b.k, 0) end
  if b.other then drain(b.other) end
  b.seeded = 1
end

-- What a bucket is worth as the first window of its key, and the other way round: _conversion.py, which says why.
local function into_window(b, spec)
  local w = fresh_window(spec.burst, spec.seconds, true)
  local level = min(b.k + max(0, now - b.t) * b.r, b.z)
  local widest = max(b.bm or 0, b.b)
  local spent = min(max(math.ceil(widest - level - 1e-9), 0), max(spec.burst, MOST_ENTRIES))
  for place = 1, spec.burst - spent do
    local wait = (place - level) / b.r
    if wait > 1e-9 then w.log[#w.log + 1] = now - max(w.w - wait, 0) end
  end
  for _ = 1, spent do w.log[#w.log + 1] = now end
  w.most = max(w.most, #w.log)
  return w
end

local function into_bucket(w, spec)
  local b = fresh_bucket(spec.rate, spec.burst, true)
  local before, entries = nil, 0
  for _, moment in ipairs(w.log) do
    if moment + w.longest > now then
      if before then b.k = min(b.k + (moment - before) * b.r, b.z) end
      b.k, before = max(b.k - 1, 0), moment
    end
    if moment + w.w > now then entries = entries + 1 end
  end
  if before then b.k = min(b.k + (now - before) * b.r, b.z) end
  b.k = min(b.k, max(w.b - entries, 0))
  return b
end

-- Two versions of a program have different rules for one key: nothing that was spent is forgotten, nobody starts full.
-- From then on the key keeps both forms, and every request counts in both (`remember`), whichever let it through.
local function converted(old, spec)
  local b = old.other or (spec.seconds > 0 and into_window(old, spec) or into_bucket(old, spec))
  if old.w and old.block > now then b.k = min(b.k, 1 - (old.block - now) * b.r) end
  for _, name in ipairs({'adm', 'thr', 'p', 'cut', 'i', 'seeded'}) do b[name] = old[name] end
  old.other, old.p, b.other = nil, nil, old
  return b
end

local function create(spec)
  local b
  if spec.seconds > 0 then
    b = fresh_window(spec.burst, spec.seconds, not amnesia)
  else
    b = fresh_bucket(spec.rate, spec.burst, not amnesia)
  end
  if amnesia then b.seeded = 1 end
  b.i = spec.label
  return b
end

-- The limits that this kind of call pays from: all[i] as req.limits[i] has it, absent where nobody has learned it yet;
-- limits without gaps. b its state, e this process's entry, sold what is sold of it in this exchange.
local all, limits = {}, {}

-- The clock has gone back, as after a failover to a server that is behind: what was an hour ago still is an hour ago. Or a
-- window would stay closed, and no 429 be news, until the clock has caught up.
local function turn_back(b)
  local ahead = (b.at or now) - now
  if ahead <= BACKWARDS then return end
  for _, form in ipairs({b, b.other}) do
    for _, name in ipairs({'t', 'o', 'u', 'x', 'cut', 'la', 'up', 'block', 'gone'}) do
      if form[name] then form[name] = form[name] - ahead end
    end
    for index, moment in ipairs(form.log or {}) do form.log[index] = moment - ahead end
  end
  for _, e in pairs(b.p) do
    for _, name in ipairs({'s', 'q', 'w', 'x', 'bk', 'cl', 'la', 'ps'}) do
      if e[name] then e[name] = e[name] - ahead end
    end
  end
end

-- Processes may differ in what they take for published, as two versions of a program do. What a 429 taught holds for all.
local function publish(b, burst)
  local taught = b.zt or (b.z < b.b and b.z) or burst
  b.b, b.bm = burst, max(b.bm or b.b, burst)
  b.z = min(taught, burst)
  if b.z < b.b then b.calm = false end
end

-- A window that is larger than any before: of what it would have counted, but `most` has pushed out, only the latest
-- moment is known.
local function enlarge(w, requests, seconds)
  w.longest = max(w.longest, seconds)
  if requests > w.most and w.gone and w.gone + w.longest > now then
    local known = w.log
    w.log = {}
    for index = 1, requests - #known do w.log[index] = w.gone end
    for _, moment in ipairs(known) do w.log[#w.log + 1] = moment end
  end
  w.most, w.b, w.w = max(w.most, requests), requests, seconds
end

local function enter(index, spec, b)
  b.at = now
  if b.w then
    enlarge(b, spec.burst, spec.seconds)
  elseif b.b ~= spec.burst then
    publish(b, spec.burst)
  end
  if not b.w and spec.kind ~= 'plan' and b.a ~= spec.rate then
    -- No header tells the rate of such a limit: the rule has been changed. What flowed in until now did so at `pc`.
    if spec.rate > b.a then b.up = now end
    b.r, b.a = min(spec.rate, b.r * spec.rate / b.a), spec.rate
  end
  local limit = {index = index, key = index == 1 and KEYS[1] or KEYS[index + 1], spec = spec, b = b, p = b.p, sold = 0}
  local e = b.p[req.me]
  if not e then
    e = {s = now, l = 0, x = 0, w = 0, d = 0, p = 0}
    if index == 1 then
      e.n, e.f, e.g, e.gl, e.c, e.e, e.q, e.t = 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0}, 0, b.v
    end
    b.p[req.me] = e
  end
  limit.e = e
  all[index] = limit
  limits[#limits + 1] = limit
  return limit
end

for index, spec in ipairs(req.limits) do
  local key = index == 1 and KEYS[1] or KEYS[index + 1]
  local b = load(key)
  if not b and index == 1 and req.former > 0 then b = load(KEYS[#KEYS]) end
  if not b and index > 1 and spec.kind == 'application' and shared.app then
    -- As versions before 0.2 kept it.
    b = shared.app
    b.p = {}
    shared.app = nil
  end
  if b then turn_back(b) end
  if b and b.w and not b.most then b.most, b.longest = max(b.b, #b.log), b.w end   -- kept by a version before 0.2
  if b and (b.w ~= nil) ~= (spec.seconds > 0) then b = converted(b, spec) end
  if not b and not spec.optional then
    b = create(spec)
    if index == 1 then   -- whoever comes first knows best, unless somebody comes who knows more: section 4
      b.a = req.known_announced
      b.r = min(req.known_rate, b.a)
      b.calm = b.r >= b.a
    end
  elseif b and amnesia and not b.seeded then
    -- Somebody new came first and was believed. Once is enough: more would stall everyone.
    drain(b)
  end
  if b then enter(index, spec, b) end
end

local s, me = all[1].b, all[1].e
me.j = req.jitter
me.y = req.kind
local last = req.limits[#req.limits]
me.a = last.optional and last.label or ''
local jitter = req.jitter   -- the worst of the processes seen lately
for _, e in pairs(s.p) do
  if now - e.s < 2 then jitter = max(jitter, e.j or 0) end
end
local mine = shared.p[req.me]
if not mine then
  mine = {s = now}
  shared.p[req.me] = mine
end

-- A request that was overtaken by a later one of the same process (it lay in the socket of a paused server).
if req.n <= me.n then return cmsgpack.pack({stale = 1, now = now}) end

