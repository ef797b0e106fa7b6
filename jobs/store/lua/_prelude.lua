-- Shared by every move: the clock, the journal, the replay, the guard, and the line.

-- One clock, the server's, so no caller can pass a wrong one.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now_ms = math.floor(now_us / 1000)
local now_s = now_us / 1000000

-- tostring() would lose digits of a fence, and any other way that ends in one of C's floats takes several times as long:
-- so does a number that is given to a command as it is. Several jobs ask for most of them again.
local spelled = false

local function whole(number)
  local text = spelled and spelled[number]
  if not text then
    text = string.format('%d', number + 0.5)
    if spelled then
      spelled[number] = text
    end
  end
  return text
end

local NOW_MS = whole(now_ms)

local function seconds(number)
  return string.format('%.3f', number)
end

local function to_map(flat)
  -- With room for a plain record: to grow by itself takes a table longer than to be filled.
  local map = {status = nil, origin = nil, data = nil, timeout = nil, created_at = nil, enqueued_at = nil, description = nil,
    result_ttl = nil, hf_op = nil, hf_moves = nil}
  for i = 1, #flat, 2 do
    map[flat[i]] = flat[i + 1]
  end
  return map
end

-- Whether a look failed although nothing of another type stands there, which is as nothing: who has no right to a key must
-- not take it for empty.
local function is_refused(found)
  return type(found) == 'table' and found.err and not string.find(tostring(found.err), 'WRONGTYPE', 1, true)
end

-- Reads one key; what is of another type is as nothing there.
local function peek(...)
  local found = redis.pcall(...)
  return is_refused(found) and redis.call(...) or found
end

local function append(list, one, two)
  local length = #list
  list[length + 1], list[length + 2] = one, two
end

-- The journal: one small field per move on the job's own record, the oldest of sixteen overwritten. These are words for the
-- move's own HSET, so that a move and its line stand or fall together.
local function line(moves, move, who, detail)
  local n = (tonumber(moves) or 0) + 1
  local count = whole(n)
  return 'hf_moves', count, 'hf_move_' .. whole(n % 16), count .. ' ' .. NOW_MS .. ' ' .. move .. ' ' .. who .. ' ' .. detail
end

local function journal(fields, ...)
  local at = #fields
  fields[at + 1], fields[at + 2], fields[at + 3], fields[at + 4] = line(...)
end

local function tell(move, job_id, queue, execution, fence, to, who)
  if RECORD then
    redis.call('XADD', keys.moves(), 'MAXLEN', '~', 100000, '*', 'move', move, 'job', job_id, 'queue', queue,
      'execution', execution, 'fence', fence, 'to', to, 'who', who, 'ms', NOW_MS)
  end
end

-- A worker numbers its operations. The last one and its answer are kept, so that an operation sent twice gets
-- its first answer, and one that arrives after its sender has moved on is refused: nobody waits for it. In front of the
-- answer stand its number and the highest fence in it: most of the time no more is read.
local REPLAY_HORIZON_S = '600'

local function last_operation(instance)
  local slot = redis.call('GET', keys.replay(instance))
  local op, fence = string.match(slot or '', '^(%d+) (%d+) ')
  return tonumber(op), tonumber(fence), slot
end

local function answer_in(slot)
  return cjson.decode(string.match(slot, '^%d+ %d+ (.*)$'))
end

local function answer_to(op, last_op, slot)
  if last_op == tonumber(op) then
    return answer_in(slot)
  end
  if last_op and last_op > tonumber(op) then
    return {'closed', 'late'}
  end
  return nil
end

local function replayed(instance, op)
  local last_op, _, slot = last_operation(instance)
  return answer_to(op, last_op, slot)
end

local function keep(instance, op, answer, fence)
  redis.call('SET', keys.replay(instance), op .. ' ' .. (fence or '0') .. ' ' .. cjson.encode(answer), 'EX', REPLAY_HORIZON_S)
  return answer
end

-- What a script does to the same key for one job after the other may be gathered, and then done at once: half of what a
-- command takes is to make it. What is gathered must be done before it is read.
local gathered = false

local function write(command, key, one, two)
  if not gathered then
    if two then
      return redis.call(command, key, one, two)
    end
    return redis.call(command, key, one)
  end
  local words = gathered[key]
  if not words or words[1] ~= command then
    words = {command, key}
    gathered[key] = words
    gathered[#gathered + 1] = words
  end
  words[#words + 1] = one
  words[#words + 1] = two
end

local function remove(key)
  if gathered then
    gathered.gone[#gathered.gone + 1] = key
  else
    redis.call('DEL', key)
  end
end

local function begin_gathering()
  gathered, spelled = {gone = {'DEL'}}, spelled or {}
end

local function do_gathered()
  for _, words in ipairs(gathered) do
    redis.call(unpack(words))
  end
  if gathered.gone[2] then
    redis.call(unpack(gathered.gone))
  end
  begin_gathering()
end

local function leave_sets(job_id, queue, execution)
  local entry = job_id .. ':' .. execution
  write('ZREM', keys.leases(queue), entry)
  write('ZREM', keys.wip(queue), entry)
  remove(keys.execution(job_id, execution))
  -- What is no set gives way: an error here would leave the job half let go, and come again to whoever repairs that.
  if type(redis.pcall('ZREM', keys.executions(job_id), execution)) == 'table' then
    redis.call('DEL', keys.executions(job_id))
  end
end

-- Clears away an execution whose lease may be gone long since: the job may be in other hands.
local function drop_entries(job_id, queue, execution)
  if redis.call('HGET', keys.held(), job_id) == queue .. ':' .. execution then
    redis.call('HDEL', keys.held(), job_id)
  end
  leave_sets(job_id, queue, execution)
  tell('lost', job_id, queue, execution, '', '', '')
end

-- RQ writes a status and the place that goes with it in one transaction. An app that saves an object it read a while ago
-- writes the status alone: so a status counts only where the place agrees.
local function place_of_ended(status, queue)
  if status == 'finished' then
    return keys.finished(queue)
  elseif status == 'failed' or status == 'stopped' then
    return keys.failed(queue)
  elseif status == 'canceled' then
    return keys.canceled(queue)
  end
  return nil
end

local function has_ended(job_id, status, origin)
  local place = place_of_ended(status, origin)
  return place and redis.call('ZSCORE', place, job_id) and true or false
end

-- The lease that a job's record names, if it stands.
local function lease_stands(job_id, lease, lease_queue)
  return lease and redis.call('ZSCORE', keys.leases(lease_queue), job_id .. ':' .. lease)
end

-- What a producer meant who gave the id of a job that runs another place: when it is to run again, by the clock, or
-- `deferred`; nil if nobody did. A line is left, not to run beside itself: the settle puts it there again.
local function called_again(job_id, status, origin)
  if status == 'queued' and redis.call('LREM', keys.queue(origin), 1, job_id) > 0 then
    return '1'
  elseif status == 'scheduled' then
    local due_s = redis.call('ZSCORE', keys.scheduled(origin), job_id)
    redis.call('ZREM', keys.scheduled(origin), job_id)
    return due_s and whole(due_s * 1000)
  elseif status == 'deferred' then
    return redis.call('ZSCORE', keys.deferred(origin), job_id) and 'deferred'
  end
  return nil
end

-- Until when somebody has the job, also one whose record was deleted and made anew meanwhile: not beside itself.
local function held_until_ms(job_id, holder)
  local queue, execution = string.match(holder or '', '^(.*):([^:]*)$')
  return queue and tonumber(redis.call('ZSCORE', keys.leases(queue), job_id .. ':' .. execution))
end

local function go_on(job_id, status, origin)
  local again = called_again(job_id, status, origin)
  redis.call('HSET', keys.job(job_id), 'status', 'started')
  if again then
    redis.call('HSET', keys.job(job_id), 'hf_again', again)
  end
end

-- Whether a job was ended under a lease that stands. Nobody writes that it was done, or that it failed, but a stock worker that
-- runs the same id beside us: it has ended its own run of it, not ours.
local function is_ended_by_a_person(job_id, status, origin)
  if not has_ended(job_id, status, origin) then
    return false
  end
  if status == 'finished' or status == 'failed' then
    redis.call('ZREM', place_of_ended(status, origin), job_id)
    return false
  end
  return true
end

-- The guard of every move out of `started`: the fence and the lease must agree, and nobody may have ended the job, else
-- the word that ends the asker. A stock tool that cancels, stops or deletes a job so ends its lease too.
-- `known` are these fields of the record, and `stands` says that the lease does, where the asker has read them already.
local function refusal(job_id, queue, execution, fence, known, stands)
  local job = known or redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence', 'hf_lease', 'origin')
  if job[2] and job[2] ~= fence and tonumber(job[2]) > tonumber(fence) then
    return {'fenced', job[2]}
  end
  local holds = job[2] == fence and job[3] == execution
    and (stands or not known and redis.call('ZSCORE', keys.leases(queue), job_id .. ':' .. execution))
  local origin = job[4] or queue
  if holds and job[1] and not is_ended_by_a_person(job_id, job[1], origin) then
    if not known then
      -- A server without memory refuses a script whose first write may grow; this one may not, and then lets the rest
      -- pass: what ends a lease or keeps it must always fit.
      redis.call('PERSIST', keys.job(job_id))
    end
    if job[1] ~= 'started' then
      go_on(job_id, job[1], origin)
    end
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

-- Lets go of a job by whoever its record names as the holder, with some more fields of the record that go with it.
local function let_go(job_id, queue, execution, ...)
  write('HDEL', keys.held(), job_id)
  leave_sets(job_id, queue, execution)
  redis.call('HDEL', keys.job(job_id), 'hf_lease', 'hf_lease_queue', ...)
end

local function no_longer_at(worker, job_id)
  if redis.call('HGET', keys.worker(worker), 'current_job') == job_id then
    redis.call('HDEL', keys.worker(worker), 'current_job', 'current_job_working_time')
  end
end

local function end_execution(job_id, queue, execution, worker)
  let_go(job_id, queue, execution)
  no_longer_at(worker, job_id)
end

local function count_for_worker(worker, counter, worked_s, jobs)
  redis.call('HINCRBY', keys.worker(worker), counter, jobs and whole(jobs) or '1')
  redis.call('HINCRBYFLOAT', keys.worker(worker), 'total_working_time', string.format('%.6f', worked_s))
end
