-- Exchanges the refresh token. Returns the fields as they are then; 1 if another token was
-- presented, and the session is revoked for it; 0 if there is nothing to refresh.
--
-- KEYS  the session
-- ARGV  the digest presented; the next; now; the new idle end; how long to keep a session that is
--       over, in ms
local session = KEYS[1]
local presented, next_one, now, expires_at, grace = unpack(ARGV)

local held = redis.call('HMGET', session, 'refresh', 'revoked_at', 'ends_at')
if not held[1] or held[2] then
  return 0
end
local over_at = math.min(tonumber(expires_at), tonumber(held[3]))
if held[1] ~= presented then
  redis.call('HSET', session, 'revoked_at', now)
  return 1
end
redis.call('HSET', session, 'refresh', next_one, 'last_seen_at', now, 'expires_at', expires_at)
redis.call('PEXPIRE', session, math.max(over_at - tonumber(now), 0) + tonumber(grace))
return redis.call('HGETALL', session)
