-- complete: started -> finished, queued, scheduled, deferred
-- End a lease with success. A job enqueued again meanwhile, or one that repeats, goes on as a new generation.
--
-- KEYS     job           hash    the record
-- KEYS     finished      zset    gets the id
-- KEYS     results       stream  gets the return value
-- KEYS     dependents    set     jobs that waited for this one
-- KEYS     dependencies  set     gone with a job that is not kept
-- KEYS     executions    zset    the same
-- KEYS     tombstone     string  left by a job that is not kept
-- ARGV     worker_name   who asks
-- ARGV     instance      this life of that worker
-- ARGV     op            the number of the operation
-- ARGV     queue         where the job came from
-- ARGV     job_id        whose lease
-- ARGV     execution     whose attempt
-- ARGV     fence         the fencing token they were given
-- ARGV     stamp         now, as RQ writes it
-- ARGV     started       when the attempt began, in seconds
-- ARGV     ended         when it ended, in seconds
-- ARGV     worked_s      for how long it worked
-- ARGV     value         the return value as RQ writes it, or empty for None
-- ARGV     result_ttl    seconds to keep job and result; 0: not at all; -1: for ever
-- ARGV     repeat_ms     ms until the next repeat, or empty
-- ARGV     repeats_left  how many remain after that one
-- OUTCOME  completed         the job is finished
-- OUTCOME  fenced     fence  someone newer holds it: the result is void
-- OUTCOME  lost              nobody holds it: the result is void
-- OUTCOME  closed     why    an operation with a later number has been seen
local over = answered_before(instance, op, job_id, queue, execution, fence)
if over then
  return over
end

local job = keys.job(job_id)
local was = redis.call('HMGET', job, 'hf_again', 'hf_moves', 'hf_op')
local fields = {'status', 'finished', 'ended_at', stamp, 'last_heartbeat', stamp, 'hf_ended', 'finished'}
journal(fields, was[2], 'complete', worker_name, execution)
redis.call('HSET', job, unpack(fields))
redis.call('HDEL', job, 'hf_error', 'hf_retry_state')
end_execution(job_id, queue, execution, worker_name)
count_for_worker(worker_name, 'successful_job_count', worked_s)
if result_ttl ~= '0' then
  add_result(job_id, 'successful', worker_name, execution, started, ended, 'return_value', value, result_ttl)
end
release_dependents(job_id, false, stamp)

local to = 'finished'
if was[1] then
  to = begin_again(job_id, stamp, 0)
elseif repeat_ms ~= '' then
  redis.call('HSET', job, 'repeats_left', repeats_left)
  to = begin_again(job_id, stamp, tonumber(repeat_ms))
elseif result_ttl == '0' then
  redis.call('DEL', job, keys.dependents(job_id), keys.dependencies(job_id), keys.executions(job_id), keys.results(job_id))
  redis.call('SET', keys.tombstone(job_id), (was[3] or '0 none') .. ' ' .. fence, 'EX', REPLAY_HORIZON_S)
else
  keep_until(keys.finished(queue), job_id, result_ttl)
  forget_after(job_id, result_ttl)
end
tell('complete', job_id, queue, execution, fence, to, worker_name)
return keep(instance, op, {'completed'})
