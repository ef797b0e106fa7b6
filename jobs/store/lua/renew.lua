-- renew: started -> started
-- Push back the deadline of a lease its holder still owns.
--
-- KEYS     leases     zset  execution -> deadline in ms
-- KEYS     execution  hash  RQ's record of the attempt, for its heartbeat
-- KEYS     worker     hash  RQ's record of the worker, for how long it has worked
-- ARGV     worker_name who asks
-- ARGV     queue      where the job came from
-- ARGV     job_id     whose lease
-- ARGV     execution  whose attempt
-- ARGV     fence      the fencing token they were given
-- ARGV     extend_ms  how far past now the deadline moves
-- ARGV     epoch      now, in seconds
-- ARGV     worked_s   for how long the attempt has run
-- OUTCOME  renewed  deadline_ms  the lease is yours until then
-- OUTCOME  fenced   fence        someone newer holds it: stop
-- OUTCOME  lost                  nobody holds it: stop
local refused = refusal(job_id, queue, execution, fence)
if refused then
  return refused
end
local deadline_ms = whole(now_ms + extend_ms)
redis.call('ZADD', keys.leases(queue), 'XX', deadline_ms, job_id .. ':' .. execution)
redis.call('HSET', keys.execution(job_id, execution), 'last_heartbeat', epoch)
redis.call('HSET', keys.worker(worker_name), 'current_job_working_time', worked_s)
tell('renew', job_id, queue, execution, fence, 'started', worker_name)
return {'renewed', deadline_ms}
