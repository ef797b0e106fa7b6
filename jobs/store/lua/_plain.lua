-- Shared by claim and turn: what they do first, for the plain case, in a few questions and a few words.
-- The looks change nothing, and where one says no, the move looks at everything, as if it had not been asked. What is written
-- is what the move would have written.

-- To look for what is to be forgotten takes longer than to forget it.
local TRIMMED_AT_ONCE = 8

-- Reserves the one job that is to be taken, if the last operation is over and was heard of, and there is nothing to decide
-- about the job: nobody ever had it in hand, and nothing is there of what there seldom is, `waiting` neither, if it is given.
-- The last look is the first write: it says whether somebody has the job after all, and a server without memory refuses it.
-- Gives nil, or what `take_plain` takes.
local function reserve_plain(asker, last_op, fence_given, queue_names, want, waiting)
  if last_op and last_op >= asker.op or fence_given and fence_given > asker.seen_fence then
    return nil
  end
  local queue, job_id
  for _, name in ipairs(queue_names) do
    local next_id = redis.call('LINDEX', keys.queue(name), '0')
    if next_id and job_id or next_id and want ~= '1' and redis.call('LLEN', keys.queue(name)) > 1 then
      return nil
    end
    queue, job_id = next_id and name or queue, next_id or job_id
    if job_id and want == '1' then
      break
    end
  end
  if not job_id then
    return nil
  end
  local seldom = {keys.failed(queue), keys.canceled(queue), keys.deferred(queue), keys.scheduled(queue),
    keys.tombstone(job_id), keys.suspended(), waiting}
  for _, name in ipairs(queue_names) do
    seldom[#seldom + 1] = keys.aftermath(name)
  end
  local others = {}
  if redis.call('EXISTS', unpack(seldom)) > 0 then
    if redis.call('EXISTS', unpack(seldom, 5)) > 0 then
      return nil
    end
    others = {unpack(seldom, 1, 4)}
  end
  local flat = redis.pcall('HGETALL', keys.job(job_id))
  local job = to_map(flat)
  if not job.data or job.status ~= 'queued' or job.origin ~= queue or tonumber(job.hf_crashes_max or asker.budget) == 0
    or job.hf_generation or job.hf_fence or job.hf_lease or job.hf_suspect or job.hf_retries or job.hf_ended or job.hf_dead
    or job.hf_retry_state or job.hf_next_run_ms or job.hf_again or job.hf_company then
    return nil
  end
  local execution = asker.instance .. string.format('%016x', asker.op)
  if redis.pcall('HSETNX', keys.held(), job_id, queue .. ':' .. execution) ~= 1 then
    return nil
  end
  return execution, queue, job_id, flat, job, others
end

-- Takes what was reserved. Gives its row, with its fence.
local function take_plain(asker, queue_names, want, execution, queue, job_id, flat, job, others)
  redis.call('SADD', keys.leased(), unpack(queue_names))
  redis.call('LPOP', keys.queue(queue))
  redis.call('ZREM', keys.finished(queue), job_id)
  for _, place in ipairs(others) do
    redis.call('ZREM', place, job_id)
  end
  local fence = whole(math.max(asker.seen_fence + 1, now_us))
  local row = put_in_hand(asker, queue, job_id, tonumber(job.timeout) or 180, execution, fence, '1', 'hf_generation', '1',
    'hf_born', job.created_at or '', 'hf_executions', '1',
    line(job.hf_moves, 'claim', asker.worker_name, execution .. ' ' .. fence))
  if job.retries_left and job.retries_left ~= '0' then
    redis.call('HSET', keys.job(job_id), 'hf_retries', job.retries_left)
  end
  if want ~= '1' or asker.held > 0 then
    redis.call('HSET', keys.job(job_id), 'hf_company', '1')
  end
  redis.call('HSET', keys.worker(asker.worker_name), 'state', 'busy', 'current_job', job_id,
    'current_job_working_time', '0')
  ring_for_more(queue_names, false)
  return row, fence
end
