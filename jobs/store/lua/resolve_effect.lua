-- resolve_effect: intent -> done, none
-- A person settles a doubt: the effect happened, or it did not.
--
-- KEYS     job         hash  the record, which holds the marker
-- ARGV     op          names this wish; sent again with a repeated request
-- ARGV     job_id      whose effect
-- ARGV     name        which effect of the job
-- ARGV     happened    1: it took place
-- ARGV     value       what came of it, serialized
-- OUTCOME  resolved        the next attempt will know
-- OUTCOME  running         the job is being worked on: wait until it is not
-- OUTCOME  no_doubt state  there is nothing to settle: done, or none
local job = keys.job(job_id)
local was = redis.call('HMGET', job, 'origin', EFFECT .. name, 'hf_fence', 'hf_moves', 'hf_lease', 'hf_lease_queue', 'hf_resolved')
if was[7] == op then
  return {'resolved'}
end
if not was[2] or string.sub(was[2], 1, 6) ~= 'intent' then
  return {'no_doubt', was[2] and 'done' or 'none'}
end
if is_in_hand(job_id, was[1] or '', was[5], was[6]) then
  return {'running'}
end
local fields = {'hf_resolved', op}
journal(fields, was[4], 'resolve', 'person', name .. (happened == '1' and ' happened' or ' did not happen'))
redis.call('HSET', job, unpack(fields))
if happened == '1' then
  redis.call('HSET', job, EFFECT .. name, 'done ' .. (was[3] or '0') .. ' ' .. value)
else
  redis.call('HDEL', job, EFFECT .. name)
end
return {'resolved'}
