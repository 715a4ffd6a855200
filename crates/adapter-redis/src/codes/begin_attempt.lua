-- Counts an attempt, up to 255, and returns the fields with it counted; none, if there is no code.
--
-- KEYS  the code
local code = KEYS[1]

if redis.call('EXISTS', code) == 1 and tonumber(redis.call('HGET', code, 'attempts')) < 255 then
  redis.call('HINCRBY', code, 'attempts', 1)
end
return redis.call('HGETALL', code)
