-- crash: started -> queued, scheduled, failed, deferred
-- End the lease of a horse whose death its parent saw.
--
-- ARGV     worker_name who asks
-- ARGV     instance    this life of that worker
-- ARGV     op          the number of the operation
-- ARGV     queue       where the job came from
-- ARGV     job_id      whose lease
-- ARGV     execution   whose attempt
-- ARGV     fence       the fencing token they were given
-- ARGV     stamp       now, as RQ writes it
-- ARGV     epoch       now, in seconds
-- ARGV     cause       how it died
-- ARGV     budget      how many crashes a job may cause, unless it says otherwise
-- ARGV     obituary    for the case that it was the last of them
-- OUTCOME  crashed         it will run again
-- OUTCOME  buried          its budget is used up
-- OUTCOME  fenced  fence   someone newer holds it: nothing was written
-- OUTCOME  lost            nobody holds it: it was settled before it died
-- OUTCOME  closed  why     an operation with a later number has been seen
local over = answered_before(instance, op, job_id, queue, execution, fence)
if over then
  return over
end
local held = {job_id = job_id, queue = queue, execution = execution, fence = fence, worker = worker_name}
local terms = {budget = budget, stamp = stamp, epoch = epoch, obituary = obituary}
local word = after_death('crash', held, cause, true, terms)
return keep(instance, op, {word == 'buried' and 'buried' or 'crashed'})
