-- One exchange between a process and the limits that one kind of its calls uses; atomic on the server.
--
-- The theory is in shared/__init__.py, the contract in shared/_store.py. This script is the arithmetic, in six
-- sections: 1 state, 2 buckets and windows, 3 leases and refill, 4 feedback of the process, 5 the sale of tokens, 6 the
-- reply. _script.py joins the sections into one script.
--
-- KEYS[1] is the usage plan's bucket of one seller, with the processes that use it; KEYS[2] what all sellers of the
-- operation share (the marker of the store's data); KEYS[3...] are the other limits, described by req.limits[2...].
-- With req.former, the last key is that of the plan before the seller id was known. All keys have the same hash tag.
-- ARGV[1] is the request. All times are the server's.
--
-- The stored fields have short names:
--
-- A bucket:  k tokens; negative if tokens were sold that will flow in later
--            t the time of k; pc the pace since then
--            up when a rule with a higher rate last replaced a slower one
--            h tokens of k that must not be counted on, because requests may have arrived late (see settle)
--            o when the bucket last overflowed; d by how much requests of processes that have left were late since then
--            r rate; a announced rate
--            b published burst; z burst in use; zt burst learned from a 429; bm largest published burst in any process
--            la by when the requests of processes that have left must have arrived
--            u when the last urgent call was seen; x when the token reserved for urgent calls is available
--            adm calls admitted; thr calls throttled; p processes; v, sh whose turn it is
--            calm, cut, n, st, tol, bl, alt, bp, bn state of the adaptation (_adaptation.py): whether nothing was
--            learned, time of the last 429, streak, step, intended streak, evidence, alternations, burst streak and
--            successes
-- A window:  w its length in seconds; b its number of requests; log the latest arrival time of each, ascending
--            longest, most the seconds and the requests of the largest window that any process has: log goes back so far
--            gone the latest time of the entries that were dropped from log because there were more than most
--            block time until which no request is admitted; adm, thr, p, cut as for a bucket
-- Both:      at the server's time at the last exchange
--            other the other form of the limit, a bucket or a window, if versions of its rule differ in it; without adm,
--            thr and p
-- A process: n its last request; f its last feedback; g, gl tokens (and leased tokens) granted to its last request
--            c waiting calls and e expected calls, by priority; q when it will ask again
--            y the kind of its calls; a the value of the argument that may have its own limit
--            t tokens it has had: the process with the fewest is next
--            l leased tokens; x when the lease ends; s when it was last seen; j its jitter
--            w when it was last granted tokens of a bucket that may have been full
--            d by how much those requests were late at most; p the same for requests that are not answered yet
--            bk the time for which its last token was sold; cl the time before which all its requests were answered
--            la when the last of those replies came; ps since when it has sent requests without a 429
--            A process has one entry for each kind of its calls, named "process/kind".

local GRACE = 1.0           -- seconds by which a process may be late: for its turn, or for the report on its lease
local LONGEST_POLL = 10.0   -- seconds; a waiting process asks again at least this often, in case tokens were returned
local LEAD = 0.1            -- seconds before its turn at which a process is told to ask again
local RUN_PART = 0.5        -- part of the horizon that one turn may take while other processes wait
local FORGOTTEN_AFTER = 120.0   -- seconds after which a process that was not heard of no longer counts
local BUCKET_TTL = 3600     -- seconds for which a bucket is stored after it is full, to keep learned rates
local SHARED_TTL = 86400
local SAME_CAUSE_WITHIN = 5.0   -- seconds within which 429s of two sellers or values are assumed to have one cause
local LAST_ARRIVAL = 1.0    -- seconds within which the last requests of a process that left must have arrived
-- The same as in _adaptation.py, where they are explained.
local INTENDED_STREAK, LEAST_INTENDED_STREAK = 64, 4
local LARGEST_STEP, SMALLEST_STEP, GROW_STEP, SHRINK_STEP = 0.15, 0.03, 1.3, 0.8
local SHORT_STREAK, BOLD_AFTER, ALONE_AFTER = 1 / 8, 4, 8
local LOWEST_FRACTION, TOKENS_AFTER_429 = 1 / 10, 2
local REFUSAL_EVIDENCE, FUTILE_AT, TOO_FAST_AFTER = 0.7, 8, 20
local BURST_STREAK, LONGEST_BURST_STREAK = 100, 3200
local MOST_PASSES = 8       -- as in _shares.py
local URGENT_MEMORY = 60.0  -- seconds after an urgent call for which a token is reserved for the next one
local LENDABLE_PART = 0.75  -- part of a bucket that may be leased
local MOST_ENTRIES = 1000   -- as in _conversion.py
local LONGEST_HEAD = 100    -- entries of a window that a reply lists one by one
local MOST_RUNS = 100       -- runs into which a reply combines the other entries
local CLOCK_CORRECTION = 1.0   -- seconds; a clock that goes back by less was only corrected

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
    calm = true, cut = 0, n = 0, st = LARGEST_STEP, tol = INTENDED_STREAK, bl = 0, alt = 0, bp = BURST_STREAK, bn = 0,
  }
end

-- If the entries of a window were lost, assume that it was used up evenly.
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
-- The process knows data that this server has lost, so no limit may be assumed to be unused.
local lost_data = req.known ~= '' and req.known ~= shared.m

local function drain(b)
  if b.w then use_up(b) else b.k = min(b.k, 0) end
  if b.other then drain(b.other) end
  b.seeded = 1
end

-- Convert a bucket into the first window of its key, and back: as in _conversion.py, where it is explained.
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

-- Two versions of a program have different rules for one key: requests already sent still count under the new rule. From
-- then on the key keeps both forms, and every request counts in both (`remember`), whichever admitted it.
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
    b = fresh_window(spec.burst, spec.seconds, not lost_data)
  else
    b = fresh_bucket(spec.rate, spec.burst, not lost_data)
  end
  if lost_data then b.seeded = 1 end
  b.i = spec.label
  return b
end

-- The limits that such a call uses: `all` by their position in req.limits, without those not learned yet; `limits`
-- without gaps. Of each, `b` is the state, `e` this process's entry, `sold` the number of tokens sold in this exchange.
local all, limits = {}, {}

-- The clock has gone back, for example after a failover to another server. Move all stored times by the same amount:
-- otherwise a window would stay closed, and 429s would be ignored, until the clock has caught up.
local function turn_back(b)
  local ahead = (b.at or now) - now
  if ahead <= CLOCK_CORRECTION then return end
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

-- Two versions of a program may have different published bursts. A burst learned from a 429 is valid for both.
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
    -- No header states the rate of such a limit, so the rule was changed. Until now, tokens flowed in at `pc`.
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
    -- Versions before 0.2 stored it there.
    b = shared.app
    b.p = {}
    shared.app = nil
  end
  if b then turn_back(b) end
  if b and b.w and not b.most then b.most, b.longest = max(b.b, #b.log), b.w end   -- kept by a version before 0.2
  if b and (b.w ~= nil) ~= (spec.seconds > 0) then b = converted(b, spec) end
  if not b and not spec.optional then
    b = create(spec)
    if index == 1 then   -- use the rates that the first process knows; section 4 corrects them if another knows better
      b.a = req.known_announced
      b.r = min(req.known_rate, b.a)
      b.calm = b.r >= b.a
    end
  elseif b and lost_data and not b.seeded then
    -- A process that did not know the lost data has created this limit as unused. Empty it, but only once: if every
    -- process did so, all calls would stall.
    drain(b)
  end
  if b then enter(index, spec, b) end
end

local s, me = all[1].b, all[1].e
me.j = req.jitter
me.y = req.kind
local last = req.limits[#req.limits]
me.a = last.optional and last.label or ''
local jitter = req.jitter   -- the largest of any process seen in the last two seconds
for _, e in pairs(s.p) do
  if now - e.s < 2 then jitter = max(jitter, e.j or 0) end
end
local mine = shared.p[req.me]
if not mine then
  mine = {s = now}
  shared.p[req.me] = mine
end

-- A later request of the same process came first: this one was delayed in the socket of a paused server.
if req.n <= me.n then return cmsgpack.pack({stale = 1, now = now}) end

