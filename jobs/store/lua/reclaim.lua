-- reclaim: started -> queued, scheduled, failed
-- Take leases past their deadline back from the dead, some at a time.
--
-- KEYS     leases      zset  execution -> deadline in ms
-- KEYS     job         hash  the record
-- KEYS     reaper      hash  the fleet's last pass and the server it saw
-- ARGV     every_ms    how often the fleet does this; 0: now, whoever was last
-- ARGV     late_ms     a pass later than this after the last one comes after an outage
-- ARGV     grace_ms    how long holders then get to renew first
-- ARGV     budget      how many crashes a job may cause, unless it says otherwise
-- ARGV     most        how many leases at the most
-- ARGV     stamp       now, as RQ writes it
-- ARGV     epoch       now, in seconds
-- ARGV     obituary    for jobs whose budget is used up
-- OUTCOME  reclaimed  rows  each row: word, queue, job_id, execution, fence, worker, late_ms
-- OUTCOME  waiting    ms    holders have that long to renew after an outage
-- OUTCOME  not_due    ms    someone did this just now
local wait = not_my_turn('reaper', every_ms)
if wait then
  return wait
end

local last = redis.call('HMGET', keys.reaper(), 'server_run', 'pass_ms', 'grace_until_ms')
local grace_until_ms = tonumber(last[3] or 0)
local run = server_run()
local server_is_new = last[1] and last[1] ~= '' and run ~= '' and last[1] ~= run
local pass_is_late = last[2] and now_ms - last[2] > tonumber(late_ms)
if server_is_new or pass_is_late then
  grace_until_ms = now_ms + grace_ms
end
redis.call('HSET', keys.reaper(), 'server_run', run, 'pass_ms', whole(now_ms), 'grace_until_ms', whole(grace_until_ms))
if now_ms < grace_until_ms then
  return {'waiting', whole(grace_until_ms - now_ms)}
end

local function reclaim(queue, entry, deadline_ms)
  local job_id, execution = string.match(entry, '^(.*):([^:]*)$')
  local job = redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence', 'hf_lease', 'worker_name', 'hf_spared')
  local late_ms = whole(now_ms - deadline_ms)
  if job[1] ~= 'started' or job[3] ~= execution then
    drop_entries(job_id, queue, execution)
    return {'removed', queue, job_id, execution, job[2] or '0', job[4] or '', late_ms}
  end
  -- An outage is nobody's crash. Once only: a job that takes its whole machine down each time must not pass for an outage.
  local spared = deadline_ms <= grace_until_ms and not job[5]
  if spared then
    redis.call('HSET', keys.job(job_id), 'hf_spared', '1')
  end
  local word = after_death('reclaim', job_id, queue, execution, job[2], job[4] or '', 'lease expired', budget, not spared, stamp, epoch, obituary)
  return {word == 'buried' and 'buried' or 'reclaimed', queue, job_id, execution, job[2], job[4] or '', late_ms}
end

local rows = {}
for _, queue in ipairs(known_queues()) do
  local left = most - #rows
  if left > 0 then
    local due = redis.call('ZRANGEBYSCORE', keys.leases(queue), '-inf', whole(now_ms), 'WITHSCORES', 'LIMIT', 0, left)
    for i = 1, #due, 2 do
      rows[#rows + 1] = reclaim(queue, due[i], tonumber(due[i + 1]))
    end
  end
end
return {'reclaimed', rows}
