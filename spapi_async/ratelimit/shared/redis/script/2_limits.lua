-- 2. Buckets and windows ----------------------------------------------------------------------------------------------

-- The pace at which tokens are sold. Nothing flows into a full bucket, so a request that arrives late costs refill. If
-- a bucket is too small to hold what flows in during the largest lateness, requests are spaced further apart.
local function pace(b)
  if b.w then return b.b / b.w end
  local missing = max(0, jitter - (b.z - 1) / b.r)
  return 1 / (1 / b.r + min(missing, 1 / b.r))
end

-- Drop the entries of a window that no version of its rule needs: old ones, and more than the widest window holds.
local function trim(w)
  local list = w.log
  local dropped = max(#list - w.most, 0)
  if dropped > 0 then w.gone = list[dropped] end
  while dropped < #list and list[dropped + 1] + w.longest <= now do dropped = dropped + 1 end
  if dropped == 0 then return end
  w.log = {}
  for index = dropped + 1, #list do w.log[index - dropped] = list[index] end
end

-- The number of entries that only longer windows count.
local function outside(w)
  local number = 0
  while number < #w.log and w.log[number + 1] + w.w <= now do number = number + 1 end
  return number
end

-- Add the tokens that have flowed in since the last exchange. A request is charged when it is sent. If the bucket was
-- full then, nothing flowed into Amazon's bucket until the request arrived, perhaps `late` seconds later. So tokens
-- that flow in here until `uncertain_until` are not counted on (`h`). They stay uncounted until this bucket is full:
-- what would then overflow replaces them.
local function settle(b, leased, uncertain_until, late)
  if b.w then return trim(b) end
  local passed = max(0, now - b.t)
  local uncounted = min(passed, max(0, uncertain_until - b.t))
  -- At the pace that applied until now. The times of tokens already sold do not change: if the level is negative, it is
  -- converted so that it takes the same time to become positive at the new pace.
  local before = b.pc or pace(b)
  local level = b.k + passed * before
  if level < 0 then level = level * pace(b) / before end
  local spill = max(0, level - (b.z - leased))
  b.k = level - spill
  b.h = max(0, b.h + uncounted * b.r - min(spill, (passed - uncounted) * b.r))
  b.h = min(b.h, late * b.r, max(0, b.z - 1))
  if spill > 0 and b.h == 0 then b.o, b.d = now, 0 end
  b.t = now
end

-- Enter a request into a window, at the latest time at which it can have arrived.
local function log(list, moment)
  local place = #list + 1
  while place > 1 and list[place - 1] > moment do place = place - 1 end
  table.insert(list, place, moment)
end

-- Count a request, which arrives at that moment at the latest, in the other form of the limit, which was not asked. Such
-- a bucket does not run into debt: it would have refused the request, and its own version might wait for days.
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

-- Until when, and by how much, requests of any process may arrive late at a full bucket.
local function lateness(b)
  local uncertain_until, late = 0, b.d or 0
  if b.w then return uncertain_until, late end
  for _, e in pairs(b.p) do
    if e.w and e.w >= b.o then
      uncertain_until, late = max(uncertain_until, e.w + max(e.d, e.p)), max(late, e.d, e.p)
    end
  end
  return uncertain_until, late
end

-- This process was granted tokens, or reports that it used leased ones. Note that the requests may arrive late at a
-- full bucket if the level is so high that the bucket can fill up before they arrive.
local function may_be_late(limit, level, moment)
  local b, e = limit.b, limit.e
  if b.w or level + b.r * req.jitter < b.z - limit.leased then return end
  if e.w < b.o then e.d = 0 end
  e.p = max(e.p, req.jitter)
  e.w = max(e.w, moment)
end

-- The most tokens that may become uncounted because of unanswered requests, including those of this sale.
local function withheld(limit)
  local b = limit.b
  if b.w then return 0 end
  local uncertain_until, late = lateness(b)
  if b.k + b.r * req.jitter >= b.z - limit.leased then
    uncertain_until, late = max(uncertain_until, now + req.jitter), max(late, req.jitter)
  end
  return min(b.h + b.r * max(0, uncertain_until - now), b.r * late, max(0, b.z - 1))
end

-- Seconds until a window admits the next request after those in `list`.
local function window_delay(b, list)
  local place = #list - b.b + 1
  local opens = place >= 1 and list[place] + b.w or now
  return max(0, opens - now, b.block - now)
end

-- Seconds until a bucket has a token after `number` others were sold, with `held` uncounted tokens and `spare` left
-- over. If the level is certain (section 3), the first token need not be spaced.
local function bucket_delay(limit, held, number, spare)
  local b = limit.b
  local level = b.k - number - spare - 1
  if level - b.h >= -1e-9 then return 0 end
  local missing = held - level
  if limit.certain and missing > number then return (missing - number) / b.r + number / pace(b) end
  return max(0, missing) / pace(b)
end

-- Return unused tokens. In a window the oldest entry is removed, whichever request it belongs to, so the others expire
-- no earlier than they should. If the entry, which is from `since` or later, may have expired already, nothing returns.
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
  -- Nothing returns to a bucket that is not in force: it may have had no token for the request.
  if b.other and b.other.w then give_back(b.other, count, since) end
end

