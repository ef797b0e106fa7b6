-- withdraw_effect: intent -> none
-- Take an intent back: the effect is known not to have taken place.
--
-- KEYS     job        hash  the record, which holds the marker
-- ARGV     queue      where the job came from
-- ARGV     job_id     whose effect
-- ARGV     execution  whose attempt
-- ARGV     fence      the fencing token they were given
-- ARGV     name       which effect of the job
-- OUTCOME  withdrawn         as if it had never been meant
-- OUTCOME  fenced     fence  someone newer holds the job: the effect stays in doubt
-- OUTCOME  lost              nobody holds the job: the effect stays in doubt
local refused = refusal(job_id, queue, execution, fence)
if refused then
  return refused
end
local marker = redis.call('HGET', keys.job(job_id), EFFECT .. name)
if marker and string.sub(marker, 1, 7 + #fence) == 'intent ' .. fence then
  redis.call('HDEL', keys.job(job_id), EFFECT .. name)
end
tell('withdraw_effect', job_id, queue, execution, fence, name, '')
return {'withdrawn'}
