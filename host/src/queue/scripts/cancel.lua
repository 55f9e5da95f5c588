-- Ends the work on a batch; its results stay. ARGV: name, uid or an empty string, reason. Returns 1,
-- or 0 if there is no such batch.
local name = ARGV[1]
local k = keys_of(name)
local r = fields(k.record, { 'uid', 'keep', 'cancelled' })
if not r.uid or (ARGV[2] ~= '' and r.uid ~= ARGV[2]) then return 0 end
if r.cancelled then return 1 end
cancel(name, k, ARGV[3], r.keep)
return 1
