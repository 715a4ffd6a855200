-- Takes back a counted attempt, if there is one.
--
-- KEYS  the code
local code = KEYS[1]

if redis.call('EXISTS', code) == 1 and tonumber(redis.call('HGET', code, 'attempts')) > 0 then
  redis.call('HINCRBY', code, 'attempts', -1)
end
