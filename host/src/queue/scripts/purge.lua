-- Removes a batch with its results. ARGV: name, uid or an empty string. Returns 1, or 0 if there is
-- no such batch.
local name = ARGV[1]
local k = keys_of(name)
local uid = redis.pcall('HGET', k.record, 'uid')
if type(uid) == 'table' then uid = '' end
if uid and ARGV[2] ~= '' and uid ~= ARGV[2] then return 0 end
withdraw(name)
local known = redis.call('ZREM', prefix .. 'batches', name)
redis.call('DEL', k.record, k.ranges, k.results, k.state, k.parts)
return (uid or known == 1) and 1 or 0
