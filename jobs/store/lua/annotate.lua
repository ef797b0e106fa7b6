-- annotate: started -> started
-- Write fields of a job's record for the holder of its lease: what job.save_meta() becomes.
--
-- KEYS     job        hash  the record
-- ARGV     queue      where the job came from
-- ARGV     job_id     whose record
-- ARGV     execution  whose attempt
-- ARGV     fence      the fencing token they were given
-- ARGV     fields...  name, value, name, value
-- OUTCOME  annotated         written
-- OUTCOME  fenced     fence  someone newer holds it: nothing was written
-- OUTCOME  lost              nobody holds it: nothing was written
local refused = refusal(job_id, queue, execution, fence)
if refused then
  return refused
end
-- Enqueued again meanwhile, the record says what its next generation was given: not to be written over by this one.
local born, created_at = unpack(redis.call('HMGET', keys.job(job_id), 'hf_born', 'created_at'))
if #fields > 0 and born == (created_at or '') then
  redis.call('HSET', keys.job(job_id), unpack(fields))
end
return {'annotated'}
