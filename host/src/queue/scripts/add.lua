-- Adds a range of lines. ARGV: name, uid, first instance, number of instances, lines, ranges that
-- may be open. Returns 1, 0 where there is no room, or -1 if the batch is gone.
local name, uid, first, count, data, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local k = keys_of(name)
local r = fields(k.record, { 'uid', 'made', 'open', 'input', 'input_bound', 'keep', 'cancelled' })
if r.uid ~= uid or r.cancelled then return -1 end
if tonumber(first) <= tonumber(r.made) then return 1 end
local bytes = tonumber(r.input)
if bytes > 0 and bytes + string.len(data) > tonumber(r.input_bound) then return 0 end
if tonumber(r.open) >= tonumber(most) then return 0 end
local id = redis.call('XADD', k.ranges, '*', 'f', first, 'c', count, 'd', data)
redis.call('HINCRBY', k.record, 'made', count)
open_range(name, k, id, string.len(data))
touch(k, r.keep)
wake()
return 1
