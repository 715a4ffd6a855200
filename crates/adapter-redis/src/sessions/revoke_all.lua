-- Revokes the sessions of a user and says how many were live.
--
-- KEYS  the user's sessions
-- ARGV  now
local user, now = KEYS[1], tonumber(ARGV[1])

local held, live = {}, 0
for _, session in ipairs(redis.call('ZREVRANGE', user, 0, -1)) do
  local ends = redis.call('HMGET', session, 'expires_at', 'ends_at', 'revoked_at')
  if ends[1] and not ends[3] then
    held[#held + 1] = session
    if tonumber(ends[1]) > now and tonumber(ends[2]) > now then
      live = live + 1
    end
  end
end

for _, session in ipairs(held) do
  redis.call('HSET', session, 'revoked_at', ARGV[1])
end
redis.call('DEL', user)
return live
