-- Removes results that were printed. ARGV: batch, reader, next instance of an ordered reader, and
-- the messages. Returns the state of the batch, or nothing if there is another reader.
local name, reader = ARGV[1], ARGV[2]
local k = keys_of(name)
local r = fields(k.record, { 'uid', 'reader', 'full', 'keep' })
if not r.uid or r.reader ~= reader then return {} end
for at = 4, #ARGV do
  local entry = redis.call('XRANGE', k.results, ARGV[at], ARGV[at])[1]
  if entry then
    local values = entry[2]
    redis.call('XDEL', k.results, ARGV[at])
    -- Others may have written to the stream.
    local bytes, count, parts = tonumber(values[4]), tonumber(values[6]), tonumber(values[10])
    if values[1] == 'r' and bytes and count and parts then
      redis.call('HINCRBY', k.record, 'unread', -bytes)
      redis.call('HINCRBY', k.record, 'read', count)
      for part = 0, parts - 1 do
        redis.call('HDEL', k.parts, values[8] .. '/' .. part)
      end
    end
  end
end
redis.call('HSET', k.record, 'next', ARGV[3], 'seen', now_ms())
if r.full then
  redis.call('HDEL', k.record, 'full')
  wake()
end
touch(k, r.keep)
local s = fields(k.record, { 'published', 'made', 'total', 'open', 'cancelled', 'read', 'refused' })
return { s.published, s.made, s.total or '-1', s.open, s.cancelled or '', s.read, s.refused or '' }
