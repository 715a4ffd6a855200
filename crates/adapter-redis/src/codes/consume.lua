-- Marks the code as used: 1 for the first who asks, else 0.
--
-- KEYS  the code
local code = KEYS[1]

if redis.call('HGET', code, 'consumed') ~= '0' then
  return 0
end
redis.call('HSET', code, 'consumed', 1)
return 1
