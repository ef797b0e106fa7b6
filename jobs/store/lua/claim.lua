-- claim: queued -> started
-- Take the next job of the first queue that has one, under a lease.
--
-- KEYS     suspended   string  while present nobody claims
-- KEYS     queue       list    loses the id
-- KEYS     job         hash    the record
-- KEYS     leases      zset    gets the deadline
-- KEYS     held        hash    gets who has the job
-- KEYS     finished    zset    loses an earlier end
-- KEYS     failed      zset    the same
-- KEYS     canceled    zset    the same
-- KEYS     deferred    zset    keeps what waits for others
-- KEYS     leased      set     gets the queue's name, so that a reaper looks there even if RQ forgot the queue
-- KEYS     wip         zset    what stock tools look at
-- KEYS     scheduled   zset    keeps what is not due
-- KEYS     execution   hash    RQ's record of the attempt
-- KEYS     executions  zset    the live executions of the job
-- KEYS     worker      hash    says what the worker is busy with
-- KEYS     bell        list    emptied when nothing was found
-- KEYS     replay      string  the worker's last operation, whose answer it may never have heard
-- KEYS     tombstone   string  the last fence of an id whose record was not kept
-- KEYS     ghosts      list    entries that had no job behind them
-- KEYS     aftermath   zset    what is left to tell of jobs whose horse could not
-- ARGV     worker_name who asks
-- ARGV     instance    this life of that worker
-- ARGV     op          the number of the operation
-- ARGV     execution   the id the attempt will have
-- ARGV     seen_fence  the highest fence this worker was ever given
-- ARGV     lease_ms    how far past now the deadline lies
-- ARGV     listens     1: the asker may be the listener of some of the queues
-- ARGV     listen_ms   how long a listener is one without asking again
-- ARGV     stamp       now, as RQ writes it
-- ARGV     epoch       now, in seconds, as RQ writes it in executions
-- ARGV     queue_names... where to look, in this order
-- OUTCOME  claimed  queue job_id execution fence deadline_ms generation record  the job is yours until then
-- OUTCOME  aftermath  queue job_id entry record  not a job: what is left to tell of one that was buried
-- OUTCOME  empty    queues...  nothing is due; these are the asker's to listen at for plain producers
-- OUTCOME  again    so much in line could not be taken that this script stopped looking
-- OUTCOME  closed   why  no claim is let through
-- OUTCOME  lost     the lease of a replayed claim is gone

local function with_record(answer)
  local reply = {}
  for i, word in ipairs(answer) do
    reply[i] = word
  end
  reply[#reply + 1] = redis.call('HGETALL', keys.job(answer[3]))
  return reply
end

local first_answer = replayed(instance, op)
if first_answer then
  if first_answer[1] == 'aftermath' and redis.call('ZSCORE', keys.aftermath(first_answer[2]), first_answer[4]) then
    return with_record(first_answer)
  end
  if first_answer[1] == 'aftermath' then
    return {'lost'}
  end
  if first_answer[1] ~= 'claimed' then
    return first_answer
  end
  if refusal(first_answer[3], first_answer[2], first_answer[4], first_answer[5]) then
    return {'lost'}
  end
  return with_record(first_answer)
end
-- A worker that asks again under a new number may not have heard the answer to the last: what it was given then goes
-- back unharmed. What it has heard of may have begun, and its end may be what a server forgot: that is the reaper's.
local function give_back_unheard()
  local slot = redis.call('GET', keys.replay(instance))
  local unheard = slot and cjson.decode(slot).answer
  if not unheard or unheard[1] ~= 'claimed' or tonumber(unheard[5]) <= tonumber(seen_fence) then
    return
  end
  local _, queue, job_id, given, fence = unpack(unheard)
  if refusal(job_id, queue, given, fence) then
    return
  end
  local was = redis.call('HMGET', keys.job(job_id), 'hf_moves', 'hf_again')
  local fields = {'status', 'queued', 'worker_name', ''}
  journal(fields, was[1], 'give_back', worker_name, given .. ' unheard')
  redis.call('HSET', keys.job(job_id), unpack(fields))
  end_execution(job_id, queue, given, worker_name)
  if was[2] then
    begin_again(job_id, stamp, 0)
  else
    put_in_line(job_id, queue, true)
  end
  tell('give_back', job_id, queue, given, fence, 'queued', worker_name)
end
give_back_unheard()

if redis.call('EXISTS', keys.suspended()) == 1 then
  return keep(instance, op, {'closed', 'suspended'})
end

local function note_ghost(job_id, queue)
  redis.call('LPUSH', keys.ghosts(), whole(now_ms) .. ' ' .. queue .. ' ' .. job_id)
  redis.call('LTRIM', keys.ghosts(), 0, 99)
  tell('ghost', job_id, queue, '', '', 'none', worker_name)
end

-- A record says that the job stands elsewhere, and it does.
local function stands_elsewhere(job_id, queue, job)
  local origin = job.origin or queue
  return has_ended(job_id, job.status, origin)
    or job.status == 'deferred' and redis.call('ZSCORE', keys.deferred(origin), job_id)
end

-- Whether an entry in line may be taken now. What may not is in its own place already, or is put there.
local function may_be_taken(job_id, queue, job)
  if not job.data then
    note_ghost(job_id, queue)
    return false
  end
  if stands_elsewhere(job_id, queue, job) then
    return false
  end
  if lease_stands(job_id, job.hf_lease, job.hf_lease_queue) then
    redis.call('HSET', keys.job(job_id), 'status', 'started', 'hf_again', '1', 'origin', queue)
    return false
  end
  local not_before_ms = held_until_ms(job_id)
  if not not_before_ms and job.status == 'scheduled' then
    not_before_ms = tonumber(redis.call('ZSCORE', keys.scheduled(queue), job_id) or 0) * 1000
  elseif not not_before_ms and job.status ~= 'started' and job.hf_born == (job.created_at or '') then
    -- A retry that a stock tool put in line before its time.
    not_before_ms = tonumber(job.hf_next_run_ms)
  end
  if not_before_ms and not_before_ms > now_ms then
    redis.call('HSET', keys.job(job_id), 'status', 'scheduled')
    put_off(job_id, queue, not_before_ms)
    return false
  end
  return job.status ~= 'started' or not is_run_by_stock(job_id, queue)
end

-- A generation is a job's life from an enqueue to its end. It is a new one if the last one was finished or if the
-- record was made anew; a retry, a reclaim or a person's requeue of a failure goes on with the old one and its markers.
local function begin_generation(job_id, job, fields)
  local retries = job.retries_left or '0'
  if job.hf_born == job.created_at and tonumber(job.hf_retries or 0) > 0 then
    retries = job.hf_retries
    append(fields, 'retries_left', retries)
  end
  if job.hf_generation then
    keep_for_ever(job_id)
  end
  append(fields, 'hf_generation', (tonumber(job.hf_generation) or 0) + 1, 'hf_born', job.created_at or '',
    'hf_retries', retries, 'hf_crashes', 0, 'hf_failures', 0, 'hf_executions', 1)
  local gone = {'hf_given_back', 'hf_spared', 'hf_error', 'hf_last_crash', 'number_of_retries'}
  for name in pairs(job) do
    if string.sub(name, 1, #EFFECT) == EFFECT then
      gone[#gone + 1] = name
    end
  end
  redis.call('HDEL', keys.job(job_id), unpack(gone))
  return tostring((tonumber(job.hf_generation) or 0) + 1)
end

local function continue_generation(job, fields)
  append(fields, 'hf_executions', (tonumber(job.hf_executions) or 0) + 1)
  if job.hf_ended == 'failed' then
    append(fields, 'hf_crashes', 0, 'hf_failures', 0)
    if tonumber(job.hf_retries or 0) > 0 then
      append(fields, 'retries_left', job.hf_retries)
    end
  end
  return job.hf_generation
end

-- The last fence of the id: on its record, or on what a record that was not kept has left.
local function last_fence(job_id, job)
  local fence = job.hf_fence or string.match(redis.call('GET', keys.tombstone(job_id)) or '', ' (%d+)$')
  return tonumber(fence or 0)
end

-- Stock producers leave an id listed where it stood before. What is claimed stands nowhere else.
local function leave_other_places(job_id, job)
  for _, place in ipairs({keys.finished, keys.failed, keys.canceled, keys.deferred, keys.scheduled}) do
    redis.call('ZREM', place(job.origin), job_id)
  end
end

local function take(job_id, queue, job)
  if job.origin and (job.ended_at or job.hf_generation or job.status ~= 'queued') then
    leave_other_places(job_id, job)
  end
  local fence = whole(math.max(last_fence(job_id, job) + 1, tonumber(seen_fence) + 1, now_us))
  local entry = job_id .. ':' .. execution
  local deadline_ms = now_ms + lease_ms
  local fields = {'status', 'started', 'started_at', stamp, 'last_heartbeat', stamp, 'worker_name', worker_name,
    'origin', queue, 'hf_fence', fence, 'hf_lease', execution, 'hf_lease_queue', queue}
  local is_new = not job.hf_generation or job.hf_ended == 'finished' or job.hf_born ~= (job.created_at or '')
  local generation = is_new and begin_generation(job_id, job, fields) or continue_generation(job, fields)
  journal(fields, job.hf_moves, 'claim', worker_name, execution .. ' ' .. fence)
  redis.call('HSET', keys.job(job_id), unpack(fields))
  redis.call('HDEL', keys.job(job_id), 'hf_ended', 'hf_dead', 'hf_retry_state', 'hf_next_run_ms', 'hf_again')
  redis.call('PERSIST', keys.job(job_id))
  redis.call('ZADD', keys.leases(queue), whole(deadline_ms), entry)
  redis.call('SADD', keys.leased(), queue)
  redis.call('HSET', keys.held(), job_id, queue .. ':' .. execution)
  local timeout = tonumber(job.timeout) or 180
  redis.call('ZADD', keys.wip(queue), timeout > 0 and whole(now_s + timeout + 3600) or '+inf', entry)
  redis.call('HSET', keys.execution(job_id, execution), 'id', execution, 'created_at', epoch,
    'last_heartbeat', epoch, 'worker_name', worker_name)
  redis.call('ZADD', keys.executions(job_id), timeout > 0 and whole(now_s + timeout + 3660) or '+inf', execution)
  redis.call('HSET', keys.worker(worker_name), 'state', 'busy', 'current_job', job_id)
  tell('claim', job_id, queue, execution, fence, 'started', worker_name)
  return {'claimed', queue, job_id, execution, fence, whole(deadline_ms), generation}
end

-- Enough to pass over any dirt left in a queue by hand; more waits for the next claim, so no script runs long.
local MOST_PASSED_OVER = 100

local function find()
  local left_to_tell = find_aftermath(queue_names, worker_name)
  if left_to_tell then
    return left_to_tell
  end
  local gave_up = false
  for _, queue in ipairs(queue_names) do
    for passed_over = 1, MOST_PASSED_OVER do
      local job_id = redis.call('LPOP', keys.queue(queue))
      if not job_id then
        break
      end
      local job = to_map(redis.call('HGETALL', keys.job(job_id)))
      if may_be_taken(job_id, queue, job) then
        return take(job_id, queue, job)
      end
      gave_up = gave_up or passed_over == MOST_PASSED_OVER
    end
  end
  return {gave_up and 'again' or 'empty'}
end

-- A write that a server without memory refuses, before anything is taken: no job is begun that could not be ended.
keep(instance, op, {'lost'})
local answer = keep(instance, op, find())
for _, queue in ipairs(queue_names) do
  if redis.call('LLEN', keys.queue(queue)) > 0 then
    ring(queue)
  elseif answer[1] == 'empty' then
    redis.call('DEL', keys.bell(queue))
  end
end

if answer[1] == 'empty' then
  return listen(queue_names, instance, listen_ms)
end
if listens == '1' then
  stop_listening(queue_names, instance)
end
if answer[1] == 'claimed' or answer[1] == 'aftermath' then
  return with_record(answer)
end
return answer
