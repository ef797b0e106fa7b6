-- Shared by what the fleet does for all, and by those who must know what stock workers do.

-- A chore belongs to the fleet: whoever comes first when it is due does it, the others are told how long to wait. Who
-- had more to do than fits in a batch goes on, and takes the turn anew with each: else all the others would join in.
local function not_my_turn(chore, every_ms, goes_on)
  if tonumber(every_ms) <= 0 then
    return nil
  end
  local left_ms = tonumber(redis.call('GET', keys.turn(chore)) or 0) - now_ms
  -- Further off than the interval: the server's clock went back, and nothing may wait for it to catch up.
  if left_ms > 0 and left_ms <= tonumber(every_ms) and goes_on ~= '1' then
    return {'not_due', whole(left_ms)}
  end
  -- See refusal(): repairs must fit on a server without memory, too.
  redis.call('PERSIST', keys.turn(chore))
  redis.call('SET', keys.turn(chore), whole(now_ms + every_ms))
  return nil
end

-- Where chores look: every queue RQ knows, and every one that ever had a lease, even if RQ forgot it.
local function known_queues()
  local names = redis.call('SMEMBERS', keys.leased())
  local seen = {}
  for _, name in ipairs(names) do
    seen[name] = true
  end
  for _, key in ipairs(redis.call('SMEMBERS', keys.queues())) do
    local name = string.sub(key, #keys.queue('') + 1)
    if not seen[name] then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

-- What pcall() gives where a command failed differs from server to server.
local function error_text(error)
  return type(error) == 'table' and error.err or tostring(error)
end

-- This life of the server; empty where it does not say.
local function server_run()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
end

-- Whether a stock worker, whose heartbeats RQ keeps among those at work, has the job in hand. `ours` is an execution that is
-- known to be none of theirs.
local function is_run_by_stock(job_id, queue, ours)
  for _, id in ipairs(peek('ZRANGE', keys.executions(job_id), 0, -1)) do
    local patience = id ~= ours and redis.call('ZSCORE', keys.wip(queue), job_id .. ':' .. id)
    if patience and tonumber(patience) > now_s then
      return true
    end
  end
  return false
end

-- Whether anybody has it: one of ours by the lease that its record names, or a stock worker.
local function is_in_hand(job_id, queue, lease, lease_queue)
  return lease_stands(job_id, lease, lease_queue) or is_run_by_stock(job_id, queue, lease)
end

-- An entry in line, or among what is due, has no job behind it.
local function note_ghost(job_id, queue, who)
  redis.call('LPUSH', keys.ghosts(), NOW_MS .. ' ' .. queue .. ' ' .. job_id)
  redis.call('LTRIM', keys.ghosts(), 0, 99)
  tell('ghost', job_id, queue, '', '', 'none', who)
end
