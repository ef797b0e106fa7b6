-- postpone: started -> queued, scheduled, deferred
-- End a lease with a failure that has another attempt left.
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
-- ARGV     delay_ms    how far from now the next attempt is due
-- ARGV     at_front    1: next in line, where the delay is 0
-- ARGV     error       what went wrong
-- ARGV     retried     the Retry a job returned, as RQ writes it, or empty
-- ARGV     fields...   what the attempt used up of its budget: name, value
-- OUTCOME  postponed         it will be tried again
-- OUTCOME  fenced     fence  someone newer holds it: nothing was written
-- OUTCOME  lost              nobody holds it: nothing was written
-- OUTCOME  closed     why    an operation with a later number has been seen
local over = answered_before(instance, op, job_id, queue, execution, fence)
if over then
  return over
end

local job = keys.job(job_id)
local was = redis.call('HMGET', job, 'hf_moves', 'hf_failures', 'failure_ttl', 'hf_again', 'ttl')
local due_ms = now_ms + delay_ms
local to = tonumber(delay_ms) > 0 and 'scheduled' or 'queued'
local record = {'status', to, 'ended_at', stamp, 'worker_name', '', 'hf_error', error,
  'hf_retry_state', 'RETRY_SCHEDULED', 'hf_next_run_ms', whole(due_ms), 'hf_failures', (tonumber(was[2]) or 0) + 1}
-- An id enqueued again meanwhile has a budget of its own.
for _, field in ipairs(was[4] and {} or fields) do
  record[#record + 1] = field
end
journal(record, was[1], 'postpone', worker_name, execution .. ' +' .. delay_ms .. 'ms')
redis.call('HSET', job, unpack(record))
end_execution(job_id, queue, execution, worker_name)
count_for_worker(worker_name, 'failed_job_count', math.max(0, ended - started))
if retried ~= '' then
  add_result(job_id, RETRIED, worker_name, execution, started, ended, 'return_value', retried, lasting(was[3]) or '')
end
if was[4] then
  to = begin_again(job_id, stamp, 0)
elseif to == 'scheduled' then
  put_off(job_id, queue, due_ms)
else
  redis.call('HSET', job, 'enqueued_at', stamp)
  put_in_line(job_id, queue, at_front == '1')
  wait_in_line(job_id, was[5])
end
tell('postpone', job_id, queue, execution, fence, to, worker_name)
return keep(instance, op, {'postponed'})
