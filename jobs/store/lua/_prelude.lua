-- Shared by every move: the clock, the journal, and the pieces that several moves are made of.

-- One clock, the server's, so no caller can pass a wrong one.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)
local now_s = now_us / 1000000

-- tostring() would lose digits of a fence.
local function whole(number)
  return string.format('%.0f', number)
end

local function seconds(number)
  return string.format('%.3f', number)
end

local function to_map(flat)
  local map = {}
  for i = 1, #flat, 2 do
    map[flat[i]] = flat[i + 1]
  end
  return map
end

local function append(list, ...)
  for _, value in ipairs({...}) do
    list[#list + 1] = value
  end
end

-- The journal: one small field per move on the job's own record, the oldest of sixteen overwritten.
-- `fields` is the move's own HSET, so that a move and its line stand or fall together.
local function journal(fields, moves, move, who, detail)
  local n = (tonumber(moves) or 0) + 1
  append(fields, 'hf_moves', n, 'hf_move_' .. n % 16, n .. ' ' .. now_ms .. ' ' .. move .. ' ' .. who .. ' ' .. detail)
end

local function tell(move, job_id, queue, execution, fence, to, who)
  if RECORD then
    redis.call('XADD', keys.moves(), 'MAXLEN', '~', 100000, '*', 'move', move, 'job', job_id, 'queue', queue,
      'execution', execution, 'fence', fence, 'to', to, 'who', who, 'ms', whole(now_ms))
  end
end

-- A worker numbers its operations. The last one and its answer are kept, so that an operation sent twice gets
-- its first answer, and one that arrives after its sender has moved on is refused: nobody waits for it.
local REPLAY_HORIZON_S = 600

local function replayed(instance, op)
  local slot = redis.call('GET', keys.replay(instance))
  if not slot then
    return nil
  end
  local kept = cjson.decode(slot)
  if kept.op == tonumber(op) then
    return kept.answer
  end
  if kept.op > tonumber(op) then
    return {'closed', 'late'}
  end
  return nil
end

local function keep(instance, op, answer)
  redis.call('SET', keys.replay(instance), cjson.encode({op = tonumber(op), answer = answer}), 'EX', REPLAY_HORIZON_S)
  return answer
end

-- What a settle leaves of an execution in the sets: nothing.
local function drop_entries(job_id, queue, execution)
  local entry = job_id .. ':' .. execution
  redis.call('ZREM', keys.leases(queue), entry)
  redis.call('ZREM', keys.wip(queue), entry)
  redis.call('DEL', keys.execution(job_id, execution))
  redis.call('ZREM', keys.executions(job_id), execution)
end

-- The guard of every move out of `started`: RQ's status, the fence and the lease must all agree, else the word that
-- ends the asker. A stock tool that cancels, stops or deletes a job changes the status only, and so ends the lease too.
local function refusal(job_id, queue, execution, fence)
  local job = redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence', 'hf_lease', 'origin')
  if job[2] and tonumber(job[2]) > tonumber(fence) then
    return {'fenced', job[2]}
  end
  local holds = job[2] == fence and job[3] == execution
    and redis.call('ZSCORE', keys.leases(queue), job_id .. ':' .. execution)
  if holds and (job[1] == 'started' or job[1] == 'queued') then
    -- A server without memory refuses a script whose first write may grow; this one may not, and then lets the rest
    -- pass: what ends a lease or keeps it must always fit.
    redis.call('PERSIST', keys.job(job_id))
  end
  if holds and job[1] == 'started' then
    return nil
  end
  if holds and job[1] == 'queued' then
    -- A stock producer enqueued the id again. Not beside itself: the settle puts it in line.
    redis.call('LREM', keys.queue(job[4] or queue), 1, job_id)
    redis.call('HSET', keys.job(job_id), 'status', 'started', 'hf_again', '1')
    return nil
  end
  drop_entries(job_id, queue, execution)
  return {'lost'}
end

local function ring(queue)
  if redis.call('LLEN', keys.bell(queue)) == 0 then
    redis.call('RPUSH', keys.bell(queue), '1')
  end
end

local function put_in_line(job_id, queue, at_front)
  redis.call(at_front and 'LPUSH' or 'RPUSH', keys.queue(queue), job_id)
  ring(queue)
end

local function put_off(job_id, queue, due_ms)
  redis.call('ZADD', keys.scheduled(queue), seconds(due_ms / 1000), job_id)
end

local function end_execution(job_id, queue, execution, worker)
  drop_entries(job_id, queue, execution)
  redis.call('HDEL', keys.job(job_id), 'hf_lease', 'hf_lease_queue')
  if redis.call('HGET', keys.worker(worker), 'current_job') == job_id then
    redis.call('HDEL', keys.worker(worker), 'current_job')
  end
end

local function count_for_worker(worker, counter, worked_s)
  redis.call('HINCRBY', keys.worker(worker), counter, 1)
  redis.call('HINCRBYFLOAT', keys.worker(worker), 'total_working_time', worked_s)
end

local RESULT = {successful = 1, failed = 2, retried = 4, max_retries_exceeded = 5}

-- The outcome as RQ writes it. `ttl` in seconds; none keeps the stream for ever, as RQ does for failures.
local function add_result(job_id, kind, worker, execution, started, ended, what, value, ttl)
  local entry = {'type', RESULT[kind], 'worker_name', worker, 'execution_id', execution,
    'execution_started_at', started, 'execution_ended_at', ended}
  if value ~= '' then
    append(entry, what, value)
  end
  redis.call('XADD', keys.results(job_id), 'MAXLEN', '~', 10, '*', unpack(entry))
  if ttl == '' or ttl == '-1' then
    redis.call('PERSIST', keys.results(job_id))
  else
    redis.call('EXPIRE', keys.results(job_id), ttl)
  end
end

local function forget_after(job_id, ttl)
  if tonumber(ttl) > 0 then
    redis.call('EXPIRE', keys.job(job_id), ttl)
    redis.call('EXPIRE', keys.dependents(job_id), ttl)
    redis.call('EXPIRE', keys.dependencies(job_id), ttl)
  end
end

local function expiry_score(ttl)
  if tonumber(ttl) < 0 then
    return '+inf'
  end
  return whole(now_s + ttl)
end

local function dependencies_are_met(dependent_id, parent_id, allows_failure)
  for _, id in ipairs(redis.call('SMEMBERS', keys.dependencies(dependent_id))) do
    if id ~= parent_id then
      local status = redis.call('HGET', keys.job(id), 'status')
      if status and status ~= 'finished' and not (status == 'failed' and allows_failure) then
        return false
      end
    end
  end
  return true
end

-- In the same script as the parent's end, so that no crash can leave a child waiting for ever.
local function release_dependents(parent_id, parent_failed, stamp)
  local dependents = redis.call('SMEMBERS', keys.dependents(parent_id))
  -- A set has no order of its own: without one, which child runs first would change from server to server.
  table.sort(dependents)
  for _, id in ipairs(dependents) do
    local job = redis.call('HMGET', keys.job(id), 'status', 'origin', 'allow_dependency_failures', 'enqueue_at_front', 'hf_moves')
    local allows_failure = job[3] == '1'
    if job[1] == 'deferred' and (allows_failure or not parent_failed) and dependencies_are_met(id, parent_id, allows_failure) then
      local fields = {'status', 'queued', 'enqueued_at', stamp}
      journal(fields, job[5], 'released', parent_id, '')
      redis.call('HSET', keys.job(id), unpack(fields))
      redis.call('ZREM', keys.deferred(job[2]), id)
      redis.call('SADD', keys.queues(), keys.queue(job[2]))
      put_in_line(id, job[2], job[4] == '1')
      redis.call('SREM', keys.dependents(parent_id), id)
      tell('released', id, job[2], '', '', 'queued', parent_id)
    end
  end
end

local function keep_for_ever(job_id)
  redis.call('PERSIST', keys.job(job_id))
  redis.call('PERSIST', keys.results(job_id))
  redis.call('PERSIST', keys.dependents(job_id))
end

-- The same id was enqueued while this execution held it, or it repeats: in line as a generation of its own, where
-- the last producer wanted it.
local function begin_again(job_id, stamp, delay_ms)
  local job = redis.call('HMGET', keys.job(job_id), 'origin', 'hf_again')
  local queue, due_ms = job[1], math.max(now_ms + delay_ms, tonumber(job[2] or 0))
  keep_for_ever(job_id)
  redis.call('HDEL', keys.job(job_id), 'hf_again', 'hf_next_run_ms')
  if due_ms > now_ms then
    redis.call('HSET', keys.job(job_id), 'status', 'scheduled')
    put_off(job_id, queue, due_ms)
    return 'scheduled'
  end
  redis.call('HSET', keys.job(job_id), 'status', 'queued', 'enqueued_at', stamp)
  put_in_line(job_id, queue, false)
  return 'queued'
end

-- An id goes in among those that are kept for a while, and two whose time is over go out: so the set stays as small as
-- what it stands for, and no script is ever held up by what has piled up.
local function keep_until(set, job_id, ttl)
  redis.call('ZADD', set, expiry_score(ttl), job_id)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', set, 0, whole(now_s), 'LIMIT', 0, 2)) do
    redis.call('ZREM', set, old)
  end
end

local DEFAULT_FAILURE_TTL = '31536000'

-- Failed for good, kept for a person with its cause. `obituary` is RQ's exc_string, already compressed.
local function lay_to_rest(job_id, queue, execution, worker, status, cause, stamp, started, ended, obituary)
  local kept = redis.call('HMGET', keys.job(job_id), 'failure_ttl', 'hf_again')
  local ttl = kept[1] or DEFAULT_FAILURE_TTL
  redis.call('HSET', keys.job(job_id), 'status', status, 'ended_at', stamp, 'hf_ended', 'failed',
    'hf_dead', cause, 'hf_retry_state', 'EXHAUSTED')
  redis.call('HDEL', keys.job(job_id), 'hf_next_run_ms')
  add_result(job_id, 'failed', worker, execution, started, ended, 'exc_string', obituary, kept[1] or '')
  if kept[2] then
    return begin_again(job_id, stamp, 0)
  end
  keep_until(keys.failed(queue), job_id, ttl)
  -- As in RQ, what waits for a stopped job goes on waiting.
  if status == 'failed' then
    release_dependents(job_id, true, stamp)
  end
  forget_after(job_id, ttl)
  return status
end

-- What a death costs a job: nothing the first time it was spared, else one of its crashes; then the line, further
-- back and later each time, so that poison never holds the queue's head; then the dead.
local function after_death(move, job_id, queue, execution, fence, worker, cause, budget, charged, stamp, epoch, obituary)
  local job = redis.call('HMGET', keys.job(job_id), 'hf_crashes', 'hf_crashes_max', 'hf_moves', 'hf_again')
  local crashes = (tonumber(job[1]) or 0) + (charged and 1 or 0)
  local most = tonumber(job[2] or budget)
  local fields = {'hf_crashes', crashes, 'hf_last_crash', cause}
  local started = redis.call('HGET', keys.execution(job_id, execution), 'created_at') or epoch
  journal(fields, job[3], move, worker, execution .. ' ' .. cause)
  redis.call('HSET', keys.job(job_id), unpack(fields))
  end_execution(job_id, queue, execution, worker)
  if job[4] then
    tell(move, job_id, queue, execution, fence, begin_again(job_id, stamp, 0), worker)
    return move
  end
  if crashes > most or most == 0 then
    local why = most == 0 and 'interrupted' or 'crashes'
    lay_to_rest(job_id, queue, execution, worker, 'failed', why, stamp, started, epoch, obituary)
    tell(move, job_id, queue, execution, fence, 'failed', worker)
    return 'buried'
  end
  local delay_ms = crashes > 1 and math.min(1000 * 2 ^ (crashes - 2), 60000) or 0
  if delay_ms > 0 then
    redis.call('HSET', keys.job(job_id), 'status', 'scheduled', 'hf_next_run_ms', whole(now_ms + delay_ms))
    put_off(job_id, queue, now_ms + delay_ms)
  else
    redis.call('HSET', keys.job(job_id), 'status', 'queued')
    put_in_line(job_id, queue, false)
  end
  tell(move, job_id, queue, execution, fence, delay_ms > 0 and 'scheduled' or 'queued', worker)
  return move
end

-- A chore belongs to the fleet: whoever comes first when it is due does it, the others are told how long to wait.
local function not_my_turn(chore, every_ms)
  if tonumber(every_ms) <= 0 then
    return nil
  end
  local left_ms = tonumber(redis.call('GET', keys.turn(chore)) or 0) - now_ms
  -- Further off than the interval: the server's clock went back, and nothing may wait for it to catch up.
  if left_ms > 0 and left_ms <= tonumber(every_ms) then
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

-- This life of the server; empty where it does not say.
local function server_run()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
end
