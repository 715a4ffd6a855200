-- Stores a session and revokes the oldest of its user that are too many: 1, or 0 if its code was
-- used before.
--
-- KEYS  the session; what its code is taken by; its user's sessions, a sorted set by `created_at`
-- ARGV  now; how many may be live; how long to keep the session, and its code and its name among
--       its user's, in ms; then its fields and values
local session, code, user = KEYS[1], KEYS[2], KEYS[3]
local now, max_live = tonumber(ARGV[1]), tonumber(ARGV[2])
local ttl, code_ttl = tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call('EXISTS', code, session) > 0 then
  return 0
end

local live, ended = {}, {}
for _, other in ipairs(redis.call('ZREVRANGE', user, 0, -1)) do
  local ends = redis.call('HMGET', other, 'expires_at', 'ends_at', 'revoked_at')
  if not ends[1] or ends[3] then
    ended[#ended + 1] = other
  elseif tonumber(ends[1]) > now and tonumber(ends[2]) > now then
    live[#live + 1] = other
  end
end

-- First of all what a server without memory refuses: then it refuses the script as a whole.
redis.call('HSET', session, unpack(ARGV, 5))
redis.call('PEXPIRE', session, ttl)
redis.call('SET', code, session, 'PX', code_ttl)
for i = math.max(max_live, 1), #live do
  redis.call('HSET', live[i], 'revoked_at', ARGV[1])
end
for _, other in ipairs(ended) do
  redis.call('ZREM', user, other)
end
redis.call('ZADD', user, now, session)
if redis.call('PTTL', user) < code_ttl then
  redis.call('PEXPIRE', user, code_ttl)
end
return 1
