-- 2. Buckets and windows ------------------------------------------------------------------------------------------------

-- A bucket so small that what flows in while a request may be on its way does not fit is protected by spacing: while it
-- is full, nothing flows in, so what a request comes late is lost.
local function pace(b)
  if b.w then return b.b / b.w end
  local missing = max(0, jitter - (b.z - 1) / b.r)
  return 1 / (1 / b.r + min(missing, 1 / b.r))
end

-- What has flowed in since the last exchange, whoever had it. A request is booked when it leaves. If the bucket was full
-- then, nothing flowed into Amazon's until it arrived, perhaps `late` seconds later: what flows in here meanwhile (until
-- the moment `wary`) is not counted on (`h`). That debt stays for as long as the bucket does not fill up; what would then
-- overflow here pays it off.
local function settle(b, leased, wary, late)
  if b.w then
    local kept = {}
    for _, moment in ipairs(b.log) do
      if moment + b.w > now then kept[#kept + 1] = moment end
    end
    b.log = kept
    return
  end
  local passed = max(0, now - b.t)
  local warily = min(passed, max(0, wary - b.t))
  -- At the pace that held until now. What has been sold ahead stays where it is: the debt keeps its length in time, or a
  -- pace that rises would put the next token right behind one that was sold at the old distance.
  local before = b.pc or pace(b)
  local level = b.k + passed * before
  if level < 0 then level = level * pace(b) / before end
  local spill = max(0, level - (b.z - leased))
  b.k = level - spill
  b.h = max(0, b.h + warily * b.r - min(spill, (passed - warily) * b.r))
  b.h = min(b.h, late * b.r, max(0, b.z - 1))
  if spill > 0 and b.h == 0 then b.o, b.d = now, 0 end
  b.t = now
end

-- Enter a request into a window: at the latest moment at which it can have arrived.
local function log(list, moment)
  local place = #list + 1
  while place > 1 and list[place - 1] > moment do place = place - 1 end
  table.insert(list, place, moment)
end

-- Until when, and by how much, requests may come late to a bucket that is full, whichever process sent them.
local function lateness(b)
  local wary, late = 0, b.d or 0
  if b.w then return wary, late end
  for _, e in pairs(b.p) do
    if e.w and e.w >= b.o then wary, late = max(wary, e.w + max(e.d, e.p)), max(late, e.d, e.p) end
  end
  return wary, late
end

-- This process was given tokens (or says that it used what it had on lease) at a level with which the bucket may be full
-- before the requests arrive.
local function may_be_late(limit, level, moment)
  local b, e = limit.b, limit.e
  if b.w or level + b.r * req.jitter < b.z - limit.leased then return end
  if e.w < b.o then e.d = 0 end
  e.p = max(e.p, req.jitter)
  e.w = max(e.w, moment)
end

-- What may have to be held back in the end for requests on their way, those of this sale included.
local function withheld(limit)
  local b = limit.b
  if b.w then return 0 end
  local wary, late = lateness(b)
  if b.k + b.r * req.jitter >= b.z - limit.leased then wary, late = max(wary, now + req.jitter), max(late, req.jitter) end
  return min(b.h + b.r * max(0, wary - now), b.r * late, max(0, b.z - 1))
end

-- Seconds until a window lets the next one in, after those entered in `list`.
local function window_delay(b, list)
  local place = #list - b.b + 1
  local opens = place >= 1 and list[place] + b.w or now
  return max(0, opens - now, b.block - now)
end

-- Seconds until a bucket has a token after `number` others were sold, and leaves `spare` of them. Where the level is
-- known for certain (section 3), the first token need not be spaced.
local function bucket_delay(limit, held, number, spare)
  local b = limit.b
  local level = b.k - number - spare - 1
  if level - b.h >= -1e-9 then return 0 end
  local missing = held - level
  if limit.certain and missing > number then return (missing - number) / b.r + number / pace(b) end
  return max(0, missing) / pace(b)
end

-- Unused tokens come back. Of a window the oldest entry goes, whichever was meant: what stays then goes later than it
-- might. If the entry meant has gone already, nothing comes back.
local function credit(limit, count, since)
  local b = limit.b
  b.adm = b.adm - count
  if not b.w then
    b.k = min(b.k + count, b.z)
  elseif since > now - b.w then
    for _ = 1, min(count, #b.log) do table.remove(b.log, 1) end
  end
end

