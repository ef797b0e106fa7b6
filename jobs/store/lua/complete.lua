-- complete: started -> finished, queued, scheduled, deferred
-- End a lease with success. A job enqueued again meanwhile, or one that repeats, goes on as a new generation.
--
-- KEYS     finished      zset    gets the id
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
-- ARGV     value         the return value as RQ writes it, empty for None, or - to keep no result
-- ARGV     result_ttl    seconds to keep job and result; 0: not at all; -1: for ever
-- ARGV     repeat_ms     ms until the next repeat, or empty
-- ARGV     repeats_left  how many remain after that one
-- OUTCOME  completed         the job is finished
-- OUTCOME  fenced     fence  someone newer holds it: the result is void
-- OUTCOME  lost              nobody holds it: the result is void
-- OUTCOME  closed     why    an operation with a later number has been seen
local over = replayed(instance, op)
if over then
  return over
end
local look = look_at({queue, job_id, execution}, 1, {})
local word = complete_one(worker_name, stamp, look, queue, job_id, execution, fence, started, ended, value, result_ttl, repeat_ms, repeats_left)
if word[1] == 'completed' then
  no_longer_at(worker_name, job_id)
  count_for_worker(worker_name, 'successful_job_count', math.max(0, ended - started))
  trim(keys.finished(queue), 1)
end
return keep(instance, op, word)
