-- Creates a batch. ARGV: name, milliseconds, then pairs of fields and values of the record, of which
-- `uid` is the first. Returns 1, or 0 if another batch has the name.
local name, now = ARGV[1], ARGV[2]
local k = keys_of(name)
local found = redis.call('HGET', k.record, 'uid')
if found then return found == ARGV[4] and 1 or 0 end
redis.call('HSET', k.record, unpack(ARGV, 3))
redis.call('HSET', k.record, 'submitted', now, 'seen', now, 'made', 0, 'open', 0, 'input', 0,
  'unread', 0, 'published', 0, 'failed', 0, 'read', 0, 'elapsed', 0, 'redelivered', 0, 'next', 1)
redis.call('XGROUP', 'CREATE', k.ranges, GROUP, '0', 'MKSTREAM')
redis.call('ZADD', prefix .. 'batches', now, name)
redis.call('RPUSH', prefix .. 'turns', name)
local r = fields(k.record, { 'total', 'keep' })
if r.total and tonumber(r.total) > 0 then
  redis.call('HSET', prefix .. 'open', name .. '/rest', 1)
end
touch(k, r.keep)
wake()
return 1
