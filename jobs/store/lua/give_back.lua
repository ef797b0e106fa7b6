-- give_back: started -> queued, scheduled, failed, deferred
-- Hand a job back unharmed, no attempt burned: at the front once, and whenever it only waited behind another.
--
-- KEYS     job         hash  the record
-- KEYS     execution   hash  when the attempt began
-- ARGV     worker_name who asks
-- ARGV     instance    this life of that worker
-- ARGV     op          the number of the operation
-- ARGV     queue       where the job came from
-- ARGV     job_id      whose lease
-- ARGV     execution   whose attempt
-- ARGV     fence       the fencing token they were given
-- ARGV     stamp       now, as RQ writes it
-- ARGV     epoch       now, in seconds
-- ARGV     begun       1: the job's own code may have started
-- ARGV     waited      1: it only waited behind another in its worker's hands
-- ARGV     budget      how many crashes a job may cause, unless it says otherwise
-- ARGV     obituary    for a job that may not run twice
-- OUTCOME  given_back         in line again
-- OUTCOME  buried             it had begun, and may run at most once
-- OUTCOME  fenced      fence  someone newer holds it: nothing was written
-- OUTCOME  lost               nobody holds it: nothing was written
-- OUTCOME  closed      why    an operation with a later number has been seen
local over = answered_before(instance, op, job_id, queue, execution, fence)
if over then
  return over
end

local job = keys.job(job_id)
local was = redis.call('HMGET', job, 'hf_moves', 'hf_crashes_max', 'hf_given_back', 'hf_again')
local started = redis.call('HGET', keys.execution(job_id, execution), 'created_at') or epoch
local may_run_once = tonumber(was[2] or budget) == 0
local fields = {'status', 'queued', 'worker_name', ''}
if waited ~= '1' then
  append(fields, 'hf_given_back', '1')
end
journal(fields, was[1], 'give_back', worker_name, execution)
redis.call('HSET', job, unpack(fields))
end_execution(job_id, queue, execution, worker_name)
if may_run_once and begun == '1' then
  lay_to_rest(job_id, queue, execution, worker_name, {status = 'failed', cause = 'interrupted', stamp = stamp,
    started = started, ended = epoch, obituary = obituary, unspoken = true})
  tell('give_back', job_id, queue, execution, fence, 'failed', worker_name)
  return keep(instance, op, {'buried'})
end
local to = hand_back(job_id, queue, was[4], waited == '1' or not was[3], stamp)
tell('give_back', job_id, queue, execution, fence, to, worker_name)
return keep(instance, op, {'given_back'})
