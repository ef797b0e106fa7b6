-- Shared by the moves that end a lease in failure: who is buried, and what the death of a worker costs a job.

local DEFAULT_FAILURE_TTL = '31536000'

-- What nobody has said yet of a job whose horse could not: callbacks, handlers, webhooks. A claim hands it out.
local function leave_aftermath(job_id, queue, execution, status)
  redis.call('ZADD', keys.aftermath(queue), NOW_MS, '0 ' .. status .. ' ' .. job_id .. ':' .. execution)
  -- An orphan's queue may be known to nobody: who lists the dead looks there, too.
  redis.call('SADD', keys.leased(), queue)
  ring(queue)
end

-- Failed for good, kept for a person with its cause. `final` has: status, cause, stamp, started, ended; obituary: RQ's
-- exc_string, already compressed, or retried: the Retry that was one too many; unlisted: its worker wants no record
-- of failures; unspoken: no horse is left to tell of it.
local function lay_to_rest(job_id, queue, execution, worker, final)
  local kept = redis.call('HMGET', keys.job(job_id), 'failure_ttl', 'hf_again', 'hf_fence')
  local ttl = lasting(kept[1]) or DEFAULT_FAILURE_TTL
  -- What is left to be told of it needs its record once more.
  if final.unspoken and ttl ~= '-1' and tonumber(ttl) < tonumber(REPLAY_HORIZON_S) then
    ttl = REPLAY_HORIZON_S
  end
  redis.call('HSET', keys.job(job_id), 'status', final.status, 'ended_at', final.stamp, 'hf_ended', 'failed',
    'hf_dead', final.cause, 'hf_retry_state', 'EXHAUSTED')
  redis.call('HDEL', keys.job(job_id), 'hf_next_run_ms')
  if final.retried then
    add_result(job_id, MAX_RETRIES_EXCEEDED, worker, execution, final.started, final.ended, 'return_value',
      final.retried, ttl)
  elseif not final.unlisted then
    add_result(job_id, FAILED, worker, execution, final.started, final.ended, 'exc_string', final.obituary, ttl)
  end
  if final.unspoken then
    leave_aftermath(job_id, queue, execution, final.status)
  end
  if kept[2] then
    return begin_again(job_id, final.stamp, 0)
  end
  if not final.unlisted and ttl ~= '0' then
    keep_until(keys.failed(queue), job_id, ttl)
    trim(keys.failed(queue), 1)
  end
  -- As in RQ, what waits for a stopped job goes on waiting.
  if final.status == 'failed' then
    release_dependents(job_id, true, final.stamp)
  end
  if not final.unlisted and ttl == '0' then
    forget_now(job_id, kept[3] or '0')
  elseif not final.unlisted then
    forget_after(job_id, ttl, true, true)
  end
  return final.status
end

-- What a death costs a job: nothing the first time it was spared, else one of its crashes; then the line, further
-- back and later each time, so that poison never holds the queue's head; then the dead.
-- `held` has: job_id, queue, execution, fence, worker; `terms`: budget, stamp, epoch, and the obituary if that is used up.
local function after_death(move, held, cause, charged, terms)
  local job_id, queue, execution, fence, worker = held.job_id, held.queue, held.execution, held.fence, held.worker
  local job = redis.call('HMGET', keys.job(job_id), 'hf_crashes', 'hf_crashes_max', 'hf_moves', 'hf_again')
  local crashes = (tonumber(job[1]) or 0) + (charged and 1 or 0)
  local most = tonumber(job[2] or terms.budget)
  local fields = {'hf_crashes', crashes, 'hf_last_crash', cause}
  local started = redis.call('HGET', keys.execution(job_id, execution), 'created_at') or terms.epoch
  journal(fields, job[3], move, worker, execution .. ' ' .. cause)
  redis.call('HSET', keys.job(job_id), unpack(fields))
  end_execution(job_id, queue, execution, worker)
  if job[4] then
    tell(move, job_id, queue, execution, fence, begin_again(job_id, terms.stamp, 0), worker)
    return move
  end
  if crashes > most or most == 0 then
    local why = most == 0 and 'interrupted' or 'crashes'
    lay_to_rest(job_id, queue, execution, worker, {status = 'failed', cause = why, stamp = terms.stamp,
      started = started, ended = terms.epoch, obituary = terms.obituary, unspoken = true})
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
