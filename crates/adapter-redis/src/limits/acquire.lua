-- Counts every charge or none. Returns {0, 0} if all are counted, else {the number of the charge
-- to wait for longest, how long in ms}. The arithmetic is that of the domain's `Counter`.
--
-- KEYS  the counter of each charge: a sorted set of hits 'at:count' by `at`
-- ARGV  now; how long to keep a counter that is over; then of each charge: its cost, its slot, its
--       longest period, how many windows it has, and the count and period of each. All in ms.
local now, grace = tonumber(ARGV[1]), tonumber(ARGV[2])

local next_arg = 2
local function argument()
  next_arg = next_arg + 1
  return tonumber(ARGV[next_arg])
end

-- Newest first. Lists side by side, because a table for each hit takes twice the time. What is no
-- hit fails at the arithmetic: a gap would end the list early, and admit what is not allowed.
local function hits_of(counter)
  local names, at, count = redis.call('ZREVRANGE', counter, 0, -1), {}, {}
  for i, name in ipairs(names) do
    local digits, rest = name:match('^(%d+):(%d+)$')
    at[i], count[i] = digits + 0, rest + 0
  end
  return { names = names, at = at, count = count }
end

-- How long until `cost` fits a window; 0 if it does.
local function wait_for(hits, cost, count, period)
  if cost > count then
    return period
  end
  local counted = 0
  for i, at in ipairs(hits.at) do
    local leaves = at + period
    if leaves <= now then
      return 0
    end
    -- The first hit that does not fit has to leave the window.
    counted = counted + hits.count[i]
    if counted > count - cost then
      return leaves - now
    end
  end
  return 0
end

local charges, refused, longest_wait = {}, 0, 0
for i, counter in ipairs(KEYS) do
  local hits = hits_of(counter)
  local cost, slot, longest = argument(), argument(), argument()
  charges[i] = { hits = hits, cost = cost, slot = slot, longest = longest }
  for _ = 1, argument() do
    local wait = wait_for(hits, cost, argument(), argument())
    if wait > longest_wait then
      refused, longest_wait = i, wait
    end
  end
end
if refused > 0 then
  return { refused, longest_wait }
end

for i, counter in ipairs(KEYS) do
  local charge = charges[i]
  local slot, count, last, replaced = charge.slot, charge.cost, charge.slot, nil
  for j, at in ipairs(charge.hits.at) do
    if at == slot then
      count, replaced = count + charge.hits.count[j], charge.hits.names[j]
    end
    last = math.max(last, at)
  end
  -- First of all what a server without memory refuses: then it refuses the script as a whole.
  local hit = string.format('%.0f:%.0f', slot, count)
  redis.call('ZADD', counter, slot, hit)
  if replaced and replaced ~= hit then
    redis.call('ZREM', counter, replaced)
  end
  redis.call('ZREMRANGEBYSCORE', counter, '-inf', now - charge.longest)
  redis.call('PEXPIRE', counter, last + charge.longest - now + grace)
end
return { 0, 0 }
