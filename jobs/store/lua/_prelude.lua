-- Shared by every move: the clock, the journal, the replay, the guard, and the line.

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

-- How each settle begins: with the answer that the operation has had already, or that it is refused.
local function answered_before(instance, op, job_id, queue, execution, fence)
  local first_answer = replayed(instance, op)
  if first_answer then
    return first_answer
  end
  local refused = refusal(job_id, queue, execution, fence)
  if refused then
    return keep(instance, op, refused)
  end
  return nil
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
