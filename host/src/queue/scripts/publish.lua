-- Publishes results with their marks. ARGV: batch, range, attempt, first instance, indices in the
-- range, bytes that count, elapsed microseconds, failed instances, results, parts of a long result.
-- Returns 1, 2 if the range is done, 0 where there is no room, or -1 if the lease is lost.
local name, id, first, bytes = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[6])
local parts = tonumber(ARGV[10])
local k = keys_of(name)
local s = state_of(k, id)
if not s or s.attempt ~= tonumber(ARGV[3]) then return -1 end
local r = fields(k.record, { 'unread', 'bound', 'ordered', 'next', 'keep' })
local done, count, is_awaited = {}, 0, false
for at = 1, string.len(s.done) do done[at] = string.sub(s.done, at, at) end
for index in string.gmatch(ARGV[5], '%d+') do
  local at = tonumber(index) + 1
  -- The reply to an earlier call was lost.
  if done[at] ~= '0' then return 1 end
  done[at] = '1'
  count = count + 1
  is_awaited = is_awaited or (r.ordered == '1' and tonumber(r.next) == first + at - 1)
end
if parts == 0 then
  local unread = tonumber(r.unread)
  if unread > 0 and unread + bytes > tonumber(r.bound) and not is_awaited then
    redis.call('HSET', k.record, 'full', 1)
    return 0
  end
  redis.call('HINCRBY', k.record, 'unread', bytes)
else
  -- The parts were counted when the first one was stored.
  bytes = s.bytes
end
local of_parts = parts > 0 and (id .. '/' .. s.index) or ''
redis.call('XADD', k.results, '*', 'r', ARGV[9], 'b', bytes, 'n', count, 'k', of_parts, 'p', parts)
redis.call('HINCRBY', k.record, 'published', count)
redis.call('HINCRBY', k.record, 'failed', ARGV[8])
redis.call('HINCRBY', k.record, 'elapsed', ARGV[7])
s.done, s.bytes, s.index, s.parts = table.concat(done), 0, 0, 0
local is_done = not string.find(s.done, '0', 1, true)
if is_done then
  close_range(name, k, id)
else
  save(k, id, s)
end
touch(k, r.keep)
return is_done and 2 or 1
