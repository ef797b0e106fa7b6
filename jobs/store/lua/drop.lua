-- drop: failed, stopped, canceled -> none
-- A person deletes a job that had ended, with its results and the marks of its effects.
--
-- KEYS     job           hash    the record
-- KEYS     dependents    set     ids of the jobs that wait for it
-- KEYS     dependencies  set     goes with it
-- KEYS     executions    zset    the same
-- KEYS     results       stream  the same
-- KEYS     tombstone     string  says that this very drop, and the enqueue that made the job, have been and gone
-- KEYS     waited_for    string  who waited, for the drop that comes twice
-- ARGV     op            names this wish; sent again with a repeated request
-- ARGV     job_id        whose
-- OUTCOME  dropped   waiting  gone; these jobs wait for it for ever
-- OUTCOME  none              there is no such job
-- OUTCOME  running           somebody works on it: wait until nobody does
-- OUTCOME  not_ended status  it has not failed, and was neither stopped nor canceled
local job = keys.job(job_id)
-- The id may have been enqueued anew since: a drop that comes twice must not take that job too.
local left = redis.call('GET', keys.tombstone(job_id))
if left and string.match(left, ' dropped:(%S+) ') == op then
  local waited = redis.call('GET', keys.waited_for(op))
  return word_and_all('dropped', waited and cjson.decode(waited) or {})
end
local was = redis.call('HMGET', job, 'status', 'origin', 'hf_op', 'hf_fence', 'created_at')
if redis.call('EXISTS', job) == 0 then
  return {'none'}
end
local kept = kept_as_it_is(job_id, was[1])
if kept then
  return kept
end

local waiting = {}
for _, id in ipairs(redis.call('SMEMBERS', keys.dependents(job_id))) do
  if redis.call('HGET', keys.job(id), 'status') == 'deferred' then
    waiting[#waiting + 1] = id
  end
end
table.sort(waiting)
if waiting[1] then
  redis.call('SET', keys.waited_for(op), cjson.encode(waiting), 'EX', REPLAY_HORIZON_S)
end
leave_the_dead(job_id, was[2] or '')
redis.call('DEL', job, keys.dependents(job_id), keys.dependencies(job_id), keys.executions(job_id), keys.results(job_id))
leave_tombstone(job_id, (was[3] or '0 none') .. ' dropped:' .. op, was[5], was[4])
tell('drop', job_id, was[2] or '', '', was[4] or '', 'none', 'person')
return word_and_all('dropped', waiting)
