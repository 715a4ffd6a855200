-- Takes what became of a message, if what is held yields to it: 1, else 0.
--
-- KEYS  the code
-- ARGV  the message's number, status and moment; then the statuses of the same message that yield
local code, send = KEYS[1], tonumber(ARGV[1])

local held = redis.call('HMGET', code, 'send', 'status')
if not held[1] then
  return 0
end
local held_send, yields = tonumber(held[1]), false
for i = 4, #ARGV do
  yields = yields or held[2] == ARGV[i]
end
if held_send > send or (held_send == send and not yields) then
  return 0
end
redis.call('HSET', code, 'send', ARGV[1], 'status', ARGV[2], 'queued_at', ARGV[3])
return 1
