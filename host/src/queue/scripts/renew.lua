-- Renews leases. ARGV: worker, then triples of batch, range and attempt. Returns a digit for each,
-- which is 1 if the lease holds.
local worker = ARGV[1]
local held = {}
for at = 2, #ARGV, 3 do
  local k = keys_of(ARGV[at])
  local s = state_of(k, ARGV[at + 1])
  local holds = s and s.attempt == tonumber(ARGV[at + 2])
  if holds then
    redis.call('XCLAIM', k.ranges, GROUP, worker, 0, ARGV[at + 1], 'JUSTID')
    touch(k, redis.call('HGET', k.record, 'keep'))
  end
  table.insert(held, holds and 1 or 0)
end
return held
