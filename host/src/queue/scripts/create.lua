-- Creates a batch. ARGV: name, milliseconds, SHA-256 and bytes of the component, SHA-256 and bytes of
-- the input, then pairs of fields and values of the record, of which `uid` is the first. Content of an
-- empty SHA-256 is not in the queue. Returns 1, 0 if another batch has the name, or the sum of -1 if the
-- component is missing and -2 if the input is.
local name, now = ARGV[1], ARGV[2]
local k = keys_of(name)
local found = redis.call('HGET', k.record, 'uid')
if found then return found == ARGV[8] and 1 or 0 end
local function is_missing(digest, bytes)
  return digest ~= '' and redis.call('HGET', prefix .. 'c:' .. digest, 'size') ~= bytes
end
local missing = (is_missing(ARGV[3], ARGV[4]) and 1 or 0) + (is_missing(ARGV[5], ARGV[6]) and 2 or 0)
if missing > 0 then return -missing end
redis.call('HSET', k.record, unpack(ARGV, 7))
redis.call('HSET', k.record, 'submitted', now, 'seen', now, 'made', 0, 'open', 0, 'input', 0,
  'unread', 0, 'published', 0, 'failed', 0, 'read', 0, 'elapsed', 0, 'redelivered', 0, 'next', 1,
  'content', ARGV[3], 'stdin', ARGV[5])
redis.call('XGROUP', 'CREATE', k.ranges, GROUP, '0', 'MKSTREAM')
redis.call('ZADD', prefix .. 'batches', now, name)
redis.call('RPUSH', prefix .. 'turns', name)
local r = fields(k.record, { 'total', 'keep' })
if r.total and tonumber(r.total) > 0 then
  redis.call('HSET', prefix .. 'open', name .. '/rest', 1)
end
touch(k, r.keep)
keep_content(ARGV[3], r.keep)
keep_content(ARGV[5], r.keep)
wake()
return 1
