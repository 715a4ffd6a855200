-- Revokes a session: 1, or 0 if there is none or it was revoked before.
--
-- KEYS  the session
-- ARGV  now
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
return redis.call('HSETNX', KEYS[1], 'revoked_at', ARGV[1])
