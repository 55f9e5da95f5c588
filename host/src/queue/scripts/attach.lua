-- Makes a reader the only one of a batch. ARGV: batch, reader. Returns 1, or 0 if there is no such batch.
local k = keys_of(ARGV[1])
if redis.call('HEXISTS', k.record, 'uid') == 0 then return 0 end
redis.call('HSET', k.record, 'reader', ARGV[2])
return 1
