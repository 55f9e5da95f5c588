-- The common part of all scripts. KEYS[1] is the prefix of the queue's keys, whose hash tag is the
-- name of the queue. A batch has a record, streams of ranges and of results, the state of its open
-- ranges and the parts of long results.
local prefix = KEYS[1]
local GROUP = 'workers'

local function keys_of(name)
  local record = prefix .. 'b:' .. name
  return {
    record = record,
    ranges = record .. ':ranges',
    results = record .. ':results',
    state = record .. ':state',
    parts = record .. ':parts',
  }
end

local function fields(key, names)
  local values = redis.call('HMGET', key, unpack(names))
  local found = {}
  for at, name in ipairs(names) do
    found[name] = values[at] or nil
  end
  return found
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A batch that nobody touches for its time to keep is removed by Redis.
local function touch(k, keep_s)
  for _, key in pairs(k) do
    redis.call('EXPIRE', key, keep_s)
  end
end

-- Content that a batch needs is kept as long as the batch, and never shorter than others ask for.
local function keep_content(digest, keep_s)
  if not digest or digest == '' then return end
  local key = prefix .. 'c:' .. digest
  redis.call('EXPIRE', key, keep_s, 'NX')
  redis.call('EXPIRE', key, keep_s, 'GT')
end

-- Wakes the workers that wait for work or for room.
local function wake()
  redis.call('XADD', prefix .. 'wake', 'MAXLEN', 1, '*', 'w', '')
end

-- The state of an open range: the number of its attempt, its first instance without a result at the
-- last delivery and the deliveries since then, the reserved part of a long result, and a digit for
-- each instance, which is 1 if its result is published.
local function state_of(k, id)
  local text = redis.call('HGET', k.state, id)
  if not text then return nil end
  local attempt, head, tries, bytes, index, parts, done =
    string.match(text, '^(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|([01]*)$')
  if not attempt then return nil end
  return {
    attempt = tonumber(attempt), head = tonumber(head), tries = tonumber(tries),
    bytes = tonumber(bytes), index = tonumber(index), parts = tonumber(parts), done = done,
  }
end

local function save(k, id, s)
  redis.call('HSET', k.state, id, string.format('%d|%d|%d|%d|%d|%d|%s',
    s.attempt, s.head, s.tries, s.bytes, s.index, s.parts, s.done))
end

-- Removes the parts of a long result that was not published.
local function release(k, id, s)
  if s.bytes > 0 then
    for part = 0, s.parts - 1 do
      redis.call('HDEL', k.parts, id .. '/' .. s.index .. '/' .. part)
    end
    redis.call('HINCRBY', k.record, 'unread', -s.bytes)
    s.bytes, s.index, s.parts = 0, 0, 0
  end
end

local function open_range(name, k, id, bytes)
  redis.call('HSET', prefix .. 'open', name .. '/' .. id, 1)
  redis.call('HINCRBY', k.record, 'open', 1)
  redis.call('HINCRBY', k.record, 'input', bytes)
end

local function close_range(name, k, id)
  local entry = redis.call('XRANGE', k.ranges, id, id)[1]
  local bytes = entry and string.len(entry[2][6] or '') or 0
  redis.call('XACK', k.ranges, GROUP, id)
  redis.call('XDEL', k.ranges, id)
  redis.call('HDEL', k.state, id)
  redis.call('HDEL', prefix .. 'open', name .. '/' .. id)
  redis.call('HINCRBY', k.record, 'open', -1)
  -- A script writes -0 where a command expects an integer.
  if bytes > 0 then redis.call('HINCRBY', k.record, 'input', -bytes) end
end

-- Removes a batch from the work that is open.
local function withdraw(name)
  redis.call('LREM', prefix .. 'turns', 0, name)
  local open = prefix .. 'open'
  for _, field in ipairs(redis.call('HKEYS', open)) do
    if string.sub(field, 1, string.len(name) + 1) == name .. '/' then
      redis.call('HDEL', open, field)
    end
  end
end

-- Ends the lease of a range, so that another worker gets it at once.
local function return_range(k, id, s)
  release(k, id, s)
  -- Nobody died, so this delivery does not count. A renewal that is under way finds another attempt.
  s.tries = 0
  s.attempt = s.attempt + 1
  save(k, id, s)
  redis.call('XCLAIM', k.ranges, GROUP, 'none', 0, id, 'IDLE', 4000000000, 'JUSTID')
  wake()
end

-- Ends the work on a batch; its results stay.
local function cancel(name, k, reason, keep_s)
  for _, id in ipairs(redis.call('HKEYS', k.state)) do
    local s = state_of(k, id)
    if s then release(k, id, s) end
  end
  redis.call('HSET', k.record, 'cancelled', reason, 'open', 0, 'input', 0)
  redis.call('DEL', k.state, k.ranges)
  withdraw(name)
  touch(k, keep_s)
  wake()
end
