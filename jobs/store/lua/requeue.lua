-- requeue: failed, stopped, canceled -> queued
-- A person puts a job in line again that had ended: with both budgets new, its generation and its effects kept.
--
-- KEYS     job           hash    the record
-- KEYS     queue         list    gets the id
-- KEYS     queues        set     gets the queue's key
-- KEYS     results       stream  what it failed of, kept until it ends again
-- ARGV     op            names this wish; sent again with a repeated request
-- ARGV     job_id        whose
-- ARGV     even_in_doubt 1: also where an effect is in doubt: the job's own code can settle it
-- ARGV     stamp         now, as RQ writes it
-- OUTCOME  queued    queue   in line
-- OUTCOME  none              there is no such job
-- OUTCOME  running           somebody works on it: wait until nobody does
-- OUTCOME  not_ended status  it has not failed, and was neither stopped nor canceled
-- OUTCOME  in_doubt  names   these effects may or may not have taken place: find out first
local job = keys.job(job_id)
local was = redis.call('HMGET', job, 'status', 'origin', 'hf_requeued', 'hf_ended', 'hf_moves', 'ttl')
if was[3] == op then
  return {'queued', was[2]}
end
-- A record without its data, or its queue, is what is left of one.
if redis.call('HEXISTS', job, 'data') == 0 or not was[2] then
  return {'none'}
end
local kept = kept_as_it_is(job_id, was[1])
if kept then
  return kept
end
local doubts = effects_in_doubt(job_id)
if #doubts > 0 and even_in_doubt ~= '1' then
  return word_and_all('in_doubt', doubts)
end

local queue = was[2]
local fields = {'status', 'queued', 'enqueued_at', stamp, 'hf_requeued', op}
-- The next claim begins a new generation of what was finished; anything else it goes on with, and gives it back what
-- its failures and crashes have used up. What stock RQ ended has no such word of ours.
if was[4] ~= 'finished' then
  append(fields, 'hf_ended', 'failed')
end
journal(fields, was[5], 'requeue', 'person', was[1] or 'none')
keep_for_ever(job_id)
redis.call('PERSIST', keys.results(job_id))
leave_the_dead(job_id, queue)
redis.call('HSET', job, unpack(fields))
redis.call('HDEL', job, 'started_at', 'ended_at', 'exc_info', 'hf_dead', 'hf_retry_state', 'hf_next_run_ms', 'hf_again')
redis.call('SADD', keys.queues(), keys.queue(queue))
put_in_line(job_id, queue, false)
wait_in_line(job_id, was[6])
tell('requeue', job_id, queue, '', '', 'queued', 'person')
return {'queued', queue}
