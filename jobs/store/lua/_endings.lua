-- Shared by the moves that end a lease: results, dependents, the next generation, success.

-- Stands for the return value of a job whose worker keeps none.
local NO_RESULT = '-'
local SUCCESSFUL, FAILED, RETRIED, MAX_RETRIES_EXCEEDED = '1', '2', '4', '5'

-- A time to keep, in seconds, as it stands in a record, for commands: in the middle of a script Redis would refuse one that is
-- longer than it can count, or no whole number. Ten thousand years are for ever, as -1 is. nil: it is no number.
local LONGEST_S = 315360000000

local function lasting(ttl)
  local kept_s = tonumber(ttl)
  if not kept_s then
    return nil
  end
  return kept_s >= 0 and kept_s <= LONGEST_S and whole(math.floor(kept_s)) or '-1'
end

-- The outcome as RQ writes it. `ttl` in seconds; none keeps the stream until the job has ended.
local function add_result(job_id, kind, worker, execution, started, ended, what, value, ttl)
  local results = keys.results(job_id)
  local words = {'XADD', results, 'MAXLEN', '~', '10', '*', 'type', kind, 'worker_name', worker, 'execution_id', execution,
    'execution_started_at', started, 'execution_ended_at', ended, what, value}
  local n = value == '' and #words - 2 or #words
  -- What is no stream gives way: the job has been let go by now.
  if type(redis.pcall(unpack(words, 1, n))) == 'table' then
    redis.call('DEL', results)
    redis.call(unpack(words, 1, n))
  end
  -- A stream takes room for 4 kB of entries at once; a copy of it, only for those there are.
  redis.call('COPY', results, keys.packing(), 'REPLACE')
  redis.call('RENAME', keys.packing(), results)
  if ttl == '' or ttl == '-1' then
    redis.call('PERSIST', results)
  else
    redis.call('EXPIRE', results, ttl)
  end
end

-- An enqueue whose reply was lost is sent again for longer than this record lives: so it leaves the same as one that is not
-- kept at all.
local BRIEF_S = 60

-- An app may save an object of what is gone: by its birth that is known for what it is.
local function leave_tombstone(job_id, made_by, born, fence)
  local words = {made_by or '0 none', born or '-', fence or '0'}
  redis.call('SET', keys.tombstone(job_id), table.concat(words, ' '), 'EX', REPLAY_HORIZON_S)
end

local function forget_after(job_id, ttl, has_dependents, has_dependencies, may_have_results)
  if tonumber(ttl) > 0 then
    if tonumber(ttl) < BRIEF_S then
      leave_tombstone(job_id, unpack(redis.call('HMGET', keys.job(job_id), 'hf_op', 'created_at', 'hf_fence')))
    end
    redis.call('EXPIRE', keys.job(job_id), ttl)
    if has_dependents then
      redis.call('EXPIRE', keys.dependents(job_id), ttl)
    end
    if has_dependencies then
      redis.call('EXPIRE', keys.dependencies(job_id), ttl)
    end
    if may_have_results then
      redis.call('EXPIRE', keys.results(job_id), ttl)
    end
  end
end

local function expiry_score(ttl)
  if tonumber(ttl) < 0 then
    return '+inf'
  end
  return whole(now_s + ttl)
end

local function dependencies_are_met(dependent_id, parent_id, allows_failure)
  for _, id in ipairs(redis.pcall('SMEMBERS', keys.dependencies(dependent_id))) do
    if id ~= parent_id then
      local status = redis.pcall('HGET', keys.job(id), 'status')
      if status and status ~= 'finished' and not (status == 'failed' and allows_failure) then
        return false
      end
    end
  end
  return true
end

-- As in RQ: how long a job may wait in line counts from when it is put there.
local function wait_in_line(job_id, ttl)
  local wait_s = lasting(ttl)
  if wait_s and tonumber(wait_s) > 0 then
    redis.call('EXPIRE', keys.job(job_id), wait_s)
  end
end

-- In the same script as the parent's end, so that no crash can leave a child waiting for ever.
local function release_dependents(parent_id, parent_failed, stamp)
  -- Of what is no set there are none, and what is no record waits for nothing: an error here would leave the parent half ended.
  local dependents = redis.pcall('SMEMBERS', keys.dependents(parent_id))
  -- A set has no order of its own: without one, which child runs first would change from server to server.
  table.sort(dependents)
  for _, id in ipairs(dependents) do
    local job = redis.pcall('HMGET', keys.job(id), 'status', 'origin', 'allow_dependency_failures', 'enqueue_at_front', 'hf_moves', 'enqueued_at', 'ttl')
    local allows_failure = job[3] == '1'
    -- By its place alone: an app may have saved an old status over a child that a person has ended. One that was put off
    -- meanwhile has its own time.
    local waits = job[2] and redis.call('ZSCORE', keys.deferred(job[2]), id) and not has_ended(id, job[1], job[2])
      and not redis.call('ZSCORE', keys.scheduled(job[2]), id)
    if waits and (allows_failure or not parent_failed) and dependencies_are_met(id, parent_id, allows_failure) then
      local fields = {'status', 'queued', 'enqueued_at', stamp}
      journal(fields, job[5], 'released', parent_id, '')
      redis.call('HSET', keys.job(id), unpack(fields))
      redis.call('ZREM', keys.deferred(job[2]), id)
      redis.call('SADD', keys.queues(), keys.queue(job[2]))
      if job[6] then
        -- It was in line before it was told to wait, and may be there still.
        redis.call('LREM', keys.queue(job[2]), 0, id)
      end
      put_in_line(id, job[2], job[4] == '1')
      wait_in_line(id, job[7])
      redis.call('SREM', keys.dependents(parent_id), id)
      tell('released', id, job[2], '', '', 'queued', parent_id)
    end
  end
  return #dependents > 0
end

local function keep_for_ever(job_id)
  redis.call('PERSIST', keys.job(job_id))
  redis.call('PERSIST', keys.dependents(job_id))
end

-- The same id was enqueued while this execution held it, or it repeats: in line as a generation of its own, where
-- the last producer wanted it.
local function begin_again(job_id, stamp, delay_ms)
  local job = redis.call('HMGET', keys.job(job_id), 'origin', 'hf_again', 'ttl')
  local queue, due_ms = job[1], math.max(now_ms + delay_ms, tonumber(job[2]) or 0)
  keep_for_ever(job_id)
  redis.call('HDEL', keys.job(job_id), 'hf_again', 'hf_next_run_ms')
  if job[2] then
    redis.call('HSET', keys.job(job_id), 'hf_ended', 'again')
  end
  if job[2] == 'deferred' then
    redis.call('HSET', keys.job(job_id), 'status', 'deferred')
    return 'deferred'
  end
  if due_ms > now_ms then
    redis.call('HSET', keys.job(job_id), 'status', 'scheduled')
    put_off(job_id, queue, due_ms)
    return 'scheduled'
  end
  redis.call('HSET', keys.job(job_id), 'status', 'queued', 'enqueued_at', stamp)
  put_in_line(job_id, queue, job[2] == 'front')
  wait_in_line(job_id, job[3])
  return 'queued'
end

-- Where an attempt that burned nothing leaves its job: where it was wanted meanwhile (`again`), or in line.
local function hand_back(job_id, queue, again, at_front, stamp)
  if again then
    return begin_again(job_id, stamp, 0)
  end
  put_in_line(job_id, queue, at_front)
  return 'queued'
end

-- For each id that goes in among those that are kept for a while, two whose time is over go out: so the set stays as small
-- as what it stands for, and no script is ever held up by what has piled up.
local function keep_until(set, job_id, ttl)
  write('ZADD', set, expiry_score(ttl), job_id)
end

local function trim(set, jobs)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', set, 0, whole(now_s), 'LIMIT', '0', whole(2 * jobs))) do
    redis.call('ZREM', set, old)
  end
end

-- Leaves of a job whose record is not kept only what its id must be known by for a while: which enqueue made it, its fence.
local function forget_now(job_id, fence)
  local was = redis.call('HMGET', keys.job(job_id), 'hf_op', 'created_at')
  redis.call('DEL', keys.job(job_id), keys.dependents(job_id), keys.dependencies(job_id), keys.executions(job_id),
    keys.results(job_id))
  leave_tombstone(job_id, was[1], was[2], fence)
end

-- What is to be known of each lease that ends, asked at once: whether it stands, and whether any job waits for its end,
-- or anything is there of what else there seldom is. `words` are ten for each lease, first of all its queue, job and
-- execution.
local function look_at(words, count, seldom)
  local entries, stands = {}, {}
  for i = 1, 10 * count, 10 do
    local queue, job_id = words[i], words[i + 1]
    entries[queue] = entries[queue] or {}
    table.insert(entries[queue], job_id .. ':' .. words[i + 2])
    seldom[#seldom + 1] = keys.dependents(job_id)
  end
  for queue, these in pairs(entries) do
    for i, deadline_ms in ipairs(redis.call('ZMSCORE', keys.leases(queue), unpack(these))) do
      stands[these[i]] = deadline_ms
    end
  end
  return {stands = stands, is_plain = redis.call('EXISTS', unpack(seldom)) == 0}
end

-- Ends one lease with success, for `worker`. Gives the word for its holder.
local function complete_one(worker, stamp, look, queue, job_id, execution, fence, started, ended, value, result_ttl, repeat_ms, repeats_left)
  local job = keys.job(job_id)
  local was = redis.call('HMGET', job, 'status', 'hf_fence', 'hf_lease', 'origin', 'hf_again', 'hf_moves', 'dependency_ids')
  local refused = refusal(job_id, queue, execution, fence, was, look.stands[job_id .. ':' .. execution])
  if refused then
    return refused
  end
  local again = was[5]
  if was[1] ~= 'started' then
    again = redis.call('HGET', job, 'hf_again')
  end
  -- First, since this is let through on a server without memory, and then lets the rest through.
  let_go(job_id, queue, execution, 'hf_error', 'hf_retry_state', 'hf_suspect')
  local fields = {'status', 'finished', 'ended_at', stamp, 'last_heartbeat', stamp, 'hf_ended', 'finished'}
  journal(fields, was[6], 'complete', worker, execution)
  redis.call('HSET', job, unpack(fields))
  if result_ttl ~= '0' and value ~= NO_RESULT then
    add_result(job_id, SUCCESSFUL, worker, execution, started, ended, 'return_value', value, result_ttl)
  end
  local has_dependents = not look.is_plain and release_dependents(job_id, false, stamp)
  local to = 'finished'
  if again then
    to = begin_again(job_id, stamp, 0)
  elseif repeat_ms ~= '' then
    redis.call('HSET', job, 'repeats_left', repeats_left)
    to = begin_again(job_id, stamp, tonumber(repeat_ms))
  elseif result_ttl == '0' then
    forget_now(job_id, fence)
  else
    keep_until(keys.finished(queue), job_id, result_ttl)
    forget_after(job_id, result_ttl, has_dependents, was[7], value == NO_RESULT)
  end
  tell('complete', job_id, queue, execution, fence, to, worker)
  return {'completed'}
end
