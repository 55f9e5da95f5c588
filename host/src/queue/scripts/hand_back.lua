-- Returns instances that did not begin. ARGV: batch, range, attempt, first instance, indices in the
-- range, `all` to end the lease. Returns 1, or -1 if the lease is lost.
local name, id = ARGV[1], ARGV[2]
local k = keys_of(name)
local s = state_of(k, id)
if not s or s.attempt ~= tonumber(ARGV[3]) then return -1 end
if ARGV[6] == 'all' then
  return_range(k, id, s)
  return 1
end
local entry = redis.call('XRANGE', k.ranges, id, id)[1]
if not entry then return -1 end
local kept, rest = {}, {}
for at = 1, string.len(s.done) do
  kept[at], rest[at] = string.sub(s.done, at, at), '1'
end
for index in string.gmatch(ARGV[5], '%d+') do
  local at = tonumber(index) + 1
  if kept[at] ~= '0' then return 1 end
  kept[at], rest[at] = '1', '0'
end
s.done = table.concat(kept)
local data = entry[2][6]
local other = redis.call('XADD', k.ranges, '*', 'f', entry[2][2], 'c', entry[2][4], 'd', data, 'm', table.concat(rest))
open_range(name, k, other, string.len(data))
if string.find(s.done, '0', 1, true) then save(k, id, s) else close_range(name, k, id) end
wake()
return 1
