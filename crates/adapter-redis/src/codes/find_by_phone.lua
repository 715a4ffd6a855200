-- The fields of every code of some phones.
--
-- KEYS  the sets of the phones' codes
local found = {}
for _, phone in ipairs(KEYS) do
  for _, code in ipairs(redis.call('SMEMBERS', phone)) do
    local fields = redis.call('HGETALL', code)
    if #fields > 0 then
      found[#found + 1] = fields
    end
  end
end
return found
