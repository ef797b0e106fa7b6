-- bury: started -> failed, stopped, queued, scheduled, deferred
-- End a lease with a failure for good.
--
-- KEYS     job         hash    the record
-- ARGV     worker_name who asks
-- ARGV     instance    this life of that worker
-- ARGV     op          the number of the operation
-- ARGV     queue       where the job came from
-- ARGV     job_id      whose lease
-- ARGV     execution   whose attempt
-- ARGV     fence       the fencing token they were given
-- ARGV     stamp       now, as RQ writes it
-- ARGV     started     when the attempt began, in seconds
-- ARGV     ended       when it ended, in seconds
-- ARGV     status      failed or stopped
-- ARGV     cause       which budget ran out, or what decided
-- ARGV     error       what went wrong
-- ARGV     obituary    the same as RQ keeps it, compressed
-- ARGV     retried     the Retry that a job returned once too often, as RQ writes it, or empty
-- ARGV     listed      1: on record among the failed, as all are unless a worker wants none
-- ARGV     unspoken    1: no horse is left to call what the job wants called
-- OUTCOME  buried         failed for good
-- OUTCOME  fenced  fence  someone newer holds it: nothing was written
-- OUTCOME  lost           nobody holds it: nothing was written
-- OUTCOME  closed  why    an operation with a later number has been seen
local over = answered_before(instance, op, job_id, queue, execution, fence)
if over then
  return over
end

local was = redis.call('HMGET', keys.job(job_id), 'hf_moves', 'hf_failures')
local fields = {'hf_error', error, 'hf_failures', (tonumber(was[2]) or 0) + 1}
journal(fields, was[1], 'bury', worker_name, execution .. ' ' .. cause)
redis.call('HSET', keys.job(job_id), unpack(fields))
end_execution(job_id, queue, execution, worker_name)
count_for_worker(worker_name, 'failed_job_count', math.max(0, ended - started))
local to = lay_to_rest(job_id, queue, execution, worker_name, {status = status, cause = cause, stamp = stamp,
  started = started, ended = ended, obituary = obituary, retried = retried ~= '' and retried, unlisted = listed ~= '1',
  unspoken = unspoken == '1'})
tell('bury', job_id, queue, execution, fence, to, worker_name)
return keep(instance, op, {'buried'})
