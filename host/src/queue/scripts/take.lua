-- Leases a range to a worker, batches in turn. ARGV: worker, protocol, instances of a range at most,
-- milliseconds that a range should take, `lowest` for ranges alone that a reader waits for, the uids
-- of batches that this worker knows, and of those that it refused.
--
-- Returns the batch, its uid, the range, its first instance, their number, the lines, the attempt,
-- the published instances, the deliveries without progress, the milliseconds since submission, 1 if an
-- earlier lease was lost, and the description of a batch that the worker does not know. Without work, returns the last message in the stream of wakes and
-- the name of a batch of another protocol. Returns `broken`, the batch and a reason for rubbish.
local worker, protocol, most, range_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local only_lowest = ARGV[5] == 'lowest'
local now = now_ms()

local function set_of(text)
  local set = {}
  for uid in string.gmatch(text, '[^,]+') do set[uid] = true end
  return set
end

local known, refused = set_of(ARGV[6]), set_of(ARGV[7])

-- Adds the next range of a batch without lines. Ranges grow with the batch, so that a short one is
-- shared and a long one is cheap.
local function make(name, k, r)
  local made, total = tonumber(r.made), tonumber(r.total or 0)
  if r.lines == '1' or made >= total then return false end
  local count = math.max(1, math.min(most, math.floor(made / 64) + 1, total - made))
  local published, elapsed = tonumber(r.published), tonumber(r.elapsed)
  if published > 0 and elapsed > 0 then
    local fitting = math.floor(range_ms * 1000 * published / elapsed)
    count = math.max(1, math.min(count, fitting))
  end
  local id = redis.call('XADD', k.ranges, '*', 'f', string.format('%.0f', made + 1), 'c', count, 'd', '')
  redis.call('HINCRBY', k.record, 'made', count)
  open_range(name, k, id, 0)
  if made + count >= total then redis.call('HDEL', prefix .. 'open', name .. '/rest') end
  return true
end

local function read(k)
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', 1, 'STREAMS', k.ranges, '>')
  return read and read[1] and read[1][2][1]
end

local function reclaim(k, lease_ms)
  local cursor = '0-0'
  for _ = 1, 1000 do
    local claimed = redis.call('XAUTOCLAIM', k.ranges, GROUP, worker, lease_ms, cursor, 'COUNT', 1)
    if claimed[2][1] then return claimed[2][1] end
    cursor = claimed[1]
    if cursor == '0-0' then return nil end
  end
end

-- The range with the lowest instances, unless it is leased.
local function lowest(name, k, r)
  local first = redis.call('XRANGE', k.ranges, '-', '+', 'COUNT', 1)[1]
  if not first then return make(name, k, r) and read(k) end
  local id = first[1]
  local pending = redis.call('XPENDING', k.ranges, GROUP, id, id, 1)[1]
  if not pending then return read(k) end
  return redis.call('XCLAIM', k.ranges, GROUP, worker, r.lease, id)[1]
end

-- Whether a worker that did not refuse the batch runs a range of it.
local function is_leased(k, r)
  for _, pending in ipairs(redis.call('XPENDING', k.ranges, GROUP, '-', '+', 100)) do
    if pending[2] ~= 'none' and pending[3] < tonumber(r.lease) then return true end
  end
  return false
end

-- Fails a batch that this worker refused, if no other one runs it in time.
local function give_up(name, k, r)
  if not r.refused_at or tonumber(r.published) > 0 then return end
  if is_leased(k, r) then
    redis.call('HSET', k.record, 'refused_at', now)
  elseif now - r.refused_at >= tonumber(r.refusal or 0) then
    cancel(name, k, r.refused or '', r.keep)
  end
end

local turns = prefix .. 'turns'
local foreign = ''

-- A range of a batch, or nothing.
local function serve(name)
  local k = keys_of(name)
  local r = fields(k.record, { 'uid', 'protocol', 'cancelled', 'unread', 'bound', 'ordered', 'lease',
    'made', 'total', 'lines', 'published', 'elapsed', 'keep', 'submitted',
    'json', 'content', 'stdin', 'refused_at', 'refused', 'refusal', 'full' })
  if not r.uid or r.cancelled then
    withdraw(name)
    if not r.uid then redis.call('ZREM', prefix .. 'batches', name) end
    return nil
  end
  if r.protocol ~= protocol then
    foreign = name
    return nil
  end
  if refused[r.uid] then
    give_up(name, k, r)
    return nil
  end
  local entry
  if only_lowest or r.full or tonumber(r.unread) >= tonumber(r.bound) then
    redis.call('HSET', k.record, 'full', 1)
    entry = r.ordered == '1' and lowest(name, k, r)
  else
    entry = reclaim(k, r.lease) or read(k) or (make(name, k, r) and read(k))
  end
  if not entry then
    local total = tonumber(r.total or -1)
    if total >= 0 and tonumber(r.published) >= total then
      redis.call('LREM', turns, 0, name)
    elseif total >= 0 and tonumber(r.made) >= total and redis.call('XLEN', k.ranges) == 0 then
      cancel(name, k, 'expected its ranges in the queue, got fewer; others have removed them', r.keep)
    end
    return nil
  end
  local id, count = entry[1], tonumber(entry[2][4])
  local s = state_of(k, id)
  -- A range that was handed back has no tries.
  local was_lost = s and s.tries > 0
  if s then
    release(k, id, s)
    if was_lost then redis.call('HINCRBY', k.record, 'redelivered', 1) end
  else
    s = { attempt = 0, head = 0, tries = 0, bytes = 0, index = 0, parts = 0,
      done = entry[2][8] or string.rep('0', count) }
  end
  s.attempt = s.attempt + 1
  local head = (string.find(s.done, '0', 1, true) or 1) - 1
  s.tries = (s.head == head) and s.tries + 1 or 1
  s.head = head
  save(k, id, s)
  touch(k, r.keep)
  keep_content(r.content, r.keep)
  keep_content(r.stdin, r.keep)
  return { name, r.uid, id, entry[2][2], entry[2][4], entry[2][6], tostring(s.attempt), s.done,
    tostring(s.tries), string.format('%.0f', now - r.submitted), was_lost and '1' or '0',
    known[r.uid] and '' or r.json or '' }
end

for _ = 1, math.min(redis.call('LLEN', turns), 256) do
  local name = redis.call('LMOVE', turns, turns, 'LEFT', 'RIGHT')
  local is_sound, range = pcall(serve, name)
  if not is_sound then
    -- Others may have written to its keys. It has no further turn.
    local reason = type(range) == 'table' and range.err or tostring(range)
    withdraw(name)
    redis.pcall('HSET', keys_of(name).record, 'cancelled', 'expected the fields of a batch, got others')
    return { 'broken', name, reason }
  end
  if range then return range end
end
local last = redis.call('XREVRANGE', prefix .. 'wake', '+', '-', 'COUNT', 1)[1]
return { last and last[1] or '0-0', foreign }
