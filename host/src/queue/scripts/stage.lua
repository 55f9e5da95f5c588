-- Stores a part of a long result. ARGV: batch, range, attempt, index in the range, number of the
-- part, number of parts, bytes of all parts, first instance, bytes of the part. Returns 1, 0 where
-- there is no room, or -1 if the lease is lost.
local name, id, index, part = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local k = keys_of(name)
local s = state_of(k, id)
if not s or s.attempt ~= tonumber(ARGV[3]) then return -1 end
if part == 0 then
  release(k, id, s)
  local r = fields(k.record, { 'unread', 'bound', 'ordered', 'next', 'keep' })
  local unread, bytes = tonumber(r.unread), tonumber(ARGV[7])
  local is_awaited = r.ordered == '1' and tonumber(r.next) == tonumber(ARGV[8]) + index
  if unread > 0 and unread + bytes > tonumber(r.bound) and not is_awaited then
    save(k, id, s)
    redis.call('HSET', k.record, 'full', 1)
    return 0
  end
  s.bytes, s.index, s.parts = bytes, index, tonumber(ARGV[6])
  save(k, id, s)
  redis.call('HINCRBY', k.record, 'unread', bytes)
end
redis.call('HSET', k.parts, id .. '/' .. index .. '/' .. part, ARGV[9])
touch(k, redis.call('HGET', k.record, 'keep'))
return 1
