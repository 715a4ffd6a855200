-- The fields of every session of a user, the last one made first.
--
-- KEYS  the user's sessions
local found = {}
for _, session in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
  local fields = redis.call('HGETALL', session)
  if #fields > 0 then
    found[#found + 1] = fields
  end
end
return found
