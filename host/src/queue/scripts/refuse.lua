-- Returns a range of a batch that this worker may not run. ARGV: batch, uid, range, attempt, reason.
-- Another worker may run the batch. Returns 1, or -1 if the lease is lost.
local name, id = ARGV[1], ARGV[3]
local k = keys_of(name)
local s = state_of(k, id)
if not s or s.attempt ~= tonumber(ARGV[4]) or redis.call('HGET', k.record, 'uid') ~= ARGV[2] then return -1 end
redis.call('HSETNX', k.record, 'refused_at', now_ms())
redis.call('HSET', k.record, 'refused', ARGV[5])
return_range(k, id, s)
return 1
