-- 3. Leases and refill ------------------------------------------------------------------------------------------------

local function forget(limit, pid)
  local b, e = limit.b, limit.p[pid]
  if b.w then b = b.other end
  if e and b then
    if e.w >= b.o then b.d = max(b.d, e.d, e.p) end
    -- Its last requests may not have arrived yet.
    local sold = e.bk or 0
    b.la = max(b.la or 0, sold >= (e.cl or 0) and max(now, sold) + LAST_ARRIVAL or e.la or 0)
  end
  limit.p[pid] = nil
end

local function unlease(pid, count)
  for _, limit in ipairs(limits) do
    local e = limit.p[pid]
    if e then e.l = max(0, e.l - count) end
  end
end

-- Every request of the process that was sent before `clear` has been answered, none later than after `slowest` seconds.
-- So requests sent while the bucket may have been full were late by no more than that.
for _, limit in ipairs(limits) do
  local e = limit.e
  if e.p > 0 and req.clear > e.w then
    e.d, e.p = max(e.d, min(e.p, req.slowest)), 0
  end
end

local slowest_pace = math.huge
for _, limit in ipairs(limits) do
  limit.leased = 0
  for _, e in pairs(limit.p) do limit.leased = limit.leased + (e.l or 0) end
  settle(limit.b, limit.leased, lateness(limit.b))
  slowest_pace = min(slowest_pace, pace(limit.b))
end

-- If every request ever admitted has been answered, the last one at `landed`, and there was no 429 since, then the
-- bucket has been filling since `landed` at the latest: its level is certain, and no lateness need be considered.
-- (Unless its rate was lower for a part of that time.)
for _, limit in ipairs(limits) do
  local b, landed = limit.b, limit.b.la or 0
  limit.e.cl, limit.e.la = req.clear, req.landed
  limit.certain = not b.w and limit.leased == 0
  for _, e in pairs(limit.p) do
    if (e.bk or 0) >= (e.cl or 0) and (e.bk or 0) > 0 then limit.certain = false end
    landed = max(landed, e.la or 0)
  end
  limit.certain = limit.certain and landed > max(b.cut, b.up or 0, 0)
  if limit.certain then
    local level = min(b.z, (now - landed) * b.r)
    -- A bucket of one token was empty when it had served the last request, however late that arrived.
    b.k = b.z < 2 and level or max(b.k, level)
  end
end

-- Return the tokens of leases that have ended, except those reported as used; forget processes not seen for long;
-- return the number of processes.
local function sweep(limit)
  local seen, processes = {}, 0
  for pid, e in pairs(limit.p) do
    if e.l > 0 and e.x <= now then
      credit(limit, e.l, e.x)
      e.l, e.bk = 0, now
    end
    if pid ~= req.me and now - e.s > FORGOTTEN_AFTER and e.l == 0 then
      forget(limit, pid)
    else
      local process = string.match(pid, '^[^/]*')
      if not seen[process] then seen[process], processes = true, processes + 1 end
    end
  end
  return processes
end

local processes, shared_processes = 0, 0
for _, limit in ipairs(limits) do
  local number = sweep(limit)
  if limit.index == 1 then processes = number end
end
do
  local seen = {}
  for pid, e in pairs(shared.p) do
    local process = string.match(pid, '^[^/]*')
    if pid ~= req.me and now - e.s > FORGOTTEN_AFTER then
      shared.p[pid] = nil
    elseif not seen[process] then
      seen[process], shared_processes = true, shared_processes + 1
    end
  end
end

