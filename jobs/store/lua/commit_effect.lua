-- commit_effect: intent -> done
-- Record that an effect has taken place, and what came of it.
--
-- KEYS     job        hash  the record, which holds the marker
-- ARGV     queue      where the job came from
-- ARGV     job_id     whose effect
-- ARGV     execution  whose attempt
-- ARGV     fence      the fencing token they were given
-- ARGV     name       which effect of the job
-- ARGV     value      what came of it, serialized
-- OUTCOME  done            recorded
-- OUTCOME  fenced   fence  someone newer holds the job: the effect stays in doubt
-- OUTCOME  lost            nobody holds the job: the effect stays in doubt
local refused = refusal(job_id, queue, execution, fence)
if refused then
  return refused
end
redis.call('HSET', keys.job(job_id), EFFECT .. name, 'done ' .. fence .. ' ' .. value)
tell('commit_effect', job_id, queue, execution, fence, name, '')
return {'done'}
