-- Takes back charges that are still counted.
--
-- KEYS  the counter of each charge
-- ARGV  of each charge: its cost and the slot it was counted in
for i, counter in ipairs(KEYS) do
  local cost, slot = tonumber(ARGV[2 * i - 1]), ARGV[2 * i]
  for _, hit in ipairs(redis.call('ZRANGEBYSCORE', counter, slot, slot)) do
    local count = tonumber(hit:match(':(%d+)$'))
    if cost >= count then
      redis.call('ZREM', counter, hit)
    elseif cost > 0 then
      -- Before the old one goes: an empty set would lose its time to live.
      redis.call('ZADD', counter, slot, string.format('%s:%.0f', slot, count - cost))
      redis.call('ZREM', counter, hit)
    end
  end
end
