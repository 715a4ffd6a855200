-- Keeps a new code: 1, or 0 if its id is taken.
--
-- KEYS  the code; the set of its phone's codes
-- ARGV  how long to keep it in ms; then its fields and values
local code, phone = KEYS[1], KEYS[2]
local ttl = tonumber(ARGV[1])

if redis.call('EXISTS', code) == 1 then
  return 0
end
-- A code leaves by its own time to live: only its name stays behind.
local gone = {}
for _, other in ipairs(redis.call('SMEMBERS', phone)) do
  if redis.call('EXISTS', other) == 0 then
    gone[#gone + 1] = other
  end
end

-- First of all what a server without memory refuses: then it refuses the script as a whole.
redis.call('HSET', code, unpack(ARGV, 2))
redis.call('PEXPIRE', code, ttl)
redis.call('SADD', phone, code)
if redis.call('PTTL', phone) < ttl then
  redis.call('PEXPIRE', phone, ttl)
end
for _, other in ipairs(gone) do
  redis.call('SREM', phone, other)
end
return 1
