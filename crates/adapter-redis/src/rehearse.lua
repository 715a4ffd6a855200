-- Runs every command that the other scripts run, on keys that are gone when it ends, so that a
-- user who may not run one of them is told at the start.
--
-- KEYS  four keys of nobody
local hash, set, sorted, text = unpack(KEYS)
local brief = 1000

redis.call('DEL', unpack(KEYS))
redis.call('PEXPIRE', hash, brief)

redis.call('HSET', hash, 'number', 1)
redis.call('PEXPIRE', hash, brief)
redis.call('HSETNX', hash, 'number', 2)
redis.call('HINCRBY', hash, 'number', 1)
redis.call('HGET', hash, 'number')
redis.call('HMGET', hash, 'number')
redis.call('HGETALL', hash)

redis.call('SADD', set, 'member')
redis.call('PEXPIRE', set, brief)
redis.call('SMEMBERS', set)
redis.call('SREM', set, 'member')

redis.call('ZADD', sorted, 1, 'member')
redis.call('PEXPIRE', sorted, brief)
redis.call('ZREVRANGE', sorted, 0, -1)
redis.call('ZRANGEBYSCORE', sorted, 1, 1)
redis.call('ZREMRANGEBYSCORE', sorted, '-inf', 0)
redis.call('ZREM', sorted, 'member')

redis.call('SET', text, 'text', 'PX', brief)
redis.call('SETRANGE', text, 0, '')
redis.call('EXISTS', text)
redis.call('PTTL', text)
redis.call('DEL', unpack(KEYS))
