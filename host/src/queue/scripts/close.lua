-- Ends the submission of lines. ARGV: name, uid. Returns 1, or -1 if the batch is gone.
local k = keys_of(ARGV[1])
local r = fields(k.record, { 'uid', 'made' })
if r.uid ~= ARGV[2] then return -1 end
redis.call('HSET', k.record, 'total', r.made)
return 1
