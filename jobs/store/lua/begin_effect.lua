-- begin_effect: none, intent -> intent
-- Record the intent to change the world, before it is changed.
--
-- KEYS     job        hash  the record, which holds the marker
-- ARGV     queue      where the job came from
-- ARGV     job_id     whose effect
-- ARGV     execution  whose attempt
-- ARGV     fence      the fencing token they were given
-- ARGV     name       which effect of the job
-- ARGV     take_over  1: the doubt about an earlier intent has been settled: it did not happen, or may happen twice
-- OUTCOME  first           the effect is yours to make
-- OUTCOME  done     value  it has taken place
-- OUTCOME  in_doubt fence  an earlier attempt meant to, and did not say whether it did
-- OUTCOME  fenced   fence  someone newer holds the job: do nothing
-- OUTCOME  lost            nobody holds the job: do nothing
local refused = refusal(job_id, queue, execution, fence)
if refused then
  return refused
end
local marker = redis.call('HGET', keys.job(job_id), EFFECT .. name)
if marker then
  local state, by, value = string.match(marker, '^(%a+) (%d+) (.*)$')
  if state == 'done' then
    return {'done', value}
  end
  if by ~= fence and take_over ~= '1' then
    return {'in_doubt', by}
  end
end
redis.call('HSET', keys.job(job_id), EFFECT .. name, 'intent ' .. fence .. ' ')
tell('begin_effect', job_id, queue, execution, fence, name, '')
return {'first'}
