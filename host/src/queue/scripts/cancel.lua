-- Ends the work on a batch; its results stay. ARGV: name, uid or an empty string, reason. Returns 1,
-- or 0 if there is no such batch.
local name = ARGV[1]
local k = keys_of(name)
local r = fields(k.record, { 'uid', 'keep', 'cancelled' })
if not r.uid or (ARGV[2] ~= '' and r.uid ~= ARGV[2]) then return 0 end
if r.cancelled then return 1 end
for _, id in ipairs(redis.call('HKEYS', k.state)) do
  local s = state_of(k, id)
  if s then release(k, id, s) end
end
redis.call('HSET', k.record, 'cancelled', ARGV[3], 'open', 0, 'input', 0)
redis.call('DEL', k.state, k.ranges)
withdraw(name)
touch(k, r.keep)
wake()
return 1
