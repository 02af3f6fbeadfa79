-- 2. Buckets and windows ------------------------------------------------------------------------------------------------

-- A bucket so small that what flows in while a request may be on its way does not fit is protected by spacing: while it
-- is full, nothing flows in, so what a request comes late is lost.
local function pace(b)
  if b.w then return b.b / b.w end
  local missing = max(0, jitter - (b.z - 1) / b.r)
  return 1 / (1 / b.r + min(missing, 1 / b.r))
end

-- Forget the entries of a window that no version of its rule asks for: the old ones, and more than the widest holds.
local function trim(w)
  local list = w.log
  local dropped = max(#list - w.most, 0)
  if dropped > 0 then w.gone = list[dropped] end
  while dropped < #list and list[dropped + 1] + w.longest <= now do dropped = dropped + 1 end
  if dropped == 0 then return end
  w.log = {}
  for index = dropped + 1, #list do w.log[index - dropped] = list[index] end
end

-- How many entries are kept for longer windows only.
local function outside(w)
  local number = 0
  while number < #w.log and w.log[number + 1] + w.w <= now do number = number + 1 end
  return number
end

-- What has flowed in since the last exchange, whoever had it. A request is booked when it leaves. If the bucket was full
-- then, nothing flowed into Amazon's until it arrived, perhaps `late` seconds later: what flows in here meanwhile (until
-- the moment `wary`) is not counted on (`h`). That debt stays for as long as the bucket does not fill up; what would then
-- overflow here pays it off.
local function settle(b, leased, wary, late)
  if b.w then return trim(b) end
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

-- Count a request, which arrives at that moment at the latest, in the limit's other form, which was not asked. What that
-- bucket did not have it would have refused: it does not run into debt, or its own version might wait for days.
local function remember(limit, moment)
  local other = limit.b.other
  if not other then return end
  if other.w then
    log(other.log, moment)
  else
    local passed = max(0, moment - other.t)
    other.k, other.t = min(other.k + passed * (other.pc or other.r), other.z), other.t + passed
    other.k = max(min(other.k, 0), other.k - 1)
  end
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

-- Unused tokens come back. Of a window the oldest entry in it goes, whichever was meant: what stays then goes later than it
-- might. If the entry meant, which is not from before `since`, may have gone already, nothing comes back.
local function give_back(b, count, since)
  if not b.w then
    b.k = min(b.k + count, b.z)
  elseif min(since, now) > max(now - b.w, b.gone or 0) then
    local oldest = outside(b) + 1
    for _ = 1, min(count, #b.log - oldest + 1) do table.remove(b.log, oldest) end
  end
end

local function credit(limit, count, since)
  local b = limit.b
  b.adm = b.adm - count
  give_back(b, count, since)
  -- The other form may be a bucket that had no token to take: what it had flows in again.
  if b.other and b.other.w then give_back(b.other, count, since) end
end

