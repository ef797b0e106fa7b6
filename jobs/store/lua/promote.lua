-- promote: scheduled -> queued
-- Put scheduled jobs in line that are due, some at a time.
--
-- KEYS     scheduled  zset    job -> when it is due, in seconds
-- KEYS     job        hash    the record
-- KEYS     queue      list    where it may stand already
-- KEYS     deferred   zset    the same
-- KEYS     held       hash    who has a job
-- ARGV     every_ms   how often the fleet does this; 0: now, whoever was last
-- ARGV     goes_on    1: the turn is ours, and there was more to do than fits in a batch
-- ARGV     most       how many jobs at the most
-- ARGV     stamp      now, as RQ writes it
-- OUTCOME  promoted  n seen  how many went in line, of how many looked at
-- OUTCOME  not_due   ms  someone did this just now
local wait = not_my_turn('promoter', every_ms, goes_on)
if wait then
  return wait
end

-- Ended by a person, put in line by a stock producer or scheduler, or at work. Else it is only its status that an app
-- has saved over.
local function has_gone_on(job_id, queue, status, lease, listed_in)
  if has_ended(job_id, status, queue) or is_run_by_stock(job_id, queue, lease) then
    return true
  elseif status == 'queued' then
    return redis.call('LPOS', keys.queue(queue), job_id) and true or false
  elseif status == 'deferred' then
    return redis.call('ZSCORE', keys.deferred(queue), job_id) and true or false
  end
  -- A claim takes the job out of its queue's set: an entry there under a lease was made later, and is to run once more.
  return queue ~= listed_in and held_until_ms(job_id, redis.call('HGET', keys.held(), job_id)) and true or false
end

local function promote(queue, job_id)
  local job = peek('HMGET', keys.job(job_id), 'status', 'data', 'enqueue_at_front', 'enqueue_at_front_on_retry', 'hf_moves', 'hf_failures', 'origin', 'ttl', 'hf_lease')
  redis.call('ZREM', keys.scheduled(queue), job_id)
  if not job[2] then
    note_ghost(job_id, queue, 'promoter')
    return 0
  end
  if job[7] and job[7] ~= queue and redis.call('ZSCORE', keys.scheduled(job[7]), job_id) then
    return 0 -- put off anew in another queue, and listed here still
  end
  if job[1] ~= 'scheduled' and has_gone_on(job_id, job[7] or queue, job[1], job[9], queue) then
    return 0
  end
  local fields = {'status', 'queued', 'enqueued_at', stamp}
  journal(fields, job[5], 'promote', queue, '')
  redis.call('HSET', keys.job(job_id), unpack(fields))
  local is_retry = tonumber(job[6] or 0) > 0
  put_in_line(job_id, queue, job[3] == '1' or (is_retry and job[4] == '1'))
  wait_in_line(job_id, job[8])
  tell('promote', job_id, queue, '', '', 'queued', 'promoter')
  return 1
end

local promoted, seen = 0, 0
for _, queue in ipairs(known_queues()) do
  local due = peek('ZRANGEBYSCORE', keys.scheduled(queue), '-inf', seconds(now_ms / 1000), 'LIMIT', 0, math.max(most - seen, 0))
  for _, job_id in ipairs(due) do
    seen = seen + 1
    promoted = promoted + promote(queue, job_id)
  end
end
return {'promoted', whole(promoted), whole(seen)}
