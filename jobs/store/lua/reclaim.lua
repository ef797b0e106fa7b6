-- reclaim: started -> queued, scheduled, failed, deferred
-- Take leases past their deadline back from the dead, some at a time, and what stock workers left that died.
--
-- KEYS     leases      zset  execution -> deadline in ms
-- KEYS     wip         zset  whose entries without a lease are stock workers'
-- KEYS     job         hash  the record
-- KEYS     reaper      hash  the fleet's last pass and the server it saw
-- ARGV     every_ms    how often the fleet does this; 0: now, whoever was last
-- ARGV     goes_on     1: the turn is ours, and there was more to do than fits in a batch
-- ARGV     late_ms     a pass later than this after the last one comes after an outage
-- ARGV     grace_ms    how long holders then get to renew first
-- ARGV     budget      how many crashes a job may cause, unless it says otherwise
-- ARGV     most        how many leases at the most
-- ARGV     stamp       now, as RQ writes it
-- ARGV     epoch       now, in seconds
-- ARGV     obituary    for jobs whose budget is used up
-- OUTCOME  reclaimed  rows passed_over  each row: word, queue, job_id, execution, fence, worker, late_ms; then what could not be dealt with: entry, why
-- OUTCOME  waiting    ms    holders have that long to renew after an outage
-- OUTCOME  not_due    ms    someone did this just now
local wait = not_my_turn('reaper', every_ms, goes_on)
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
-- Further off than a grace is long: the server's clock went back, and the dead must not wait for it to catch up.
grace_until_ms = math.min(grace_until_ms, now_ms + grace_ms)
redis.call('HSET', keys.reaper(), 'server_run', run, 'pass_ms', NOW_MS, 'grace_until_ms', whole(grace_until_ms))
if now_ms < grace_until_ms then
  return {'waiting', whole(grace_until_ms - now_ms)}
end

-- An outage is nobody's crash. Once only: a job that takes its whole machine down each time must not pass for an outage.
-- Nor is the death of a worker that held several: each is a suspect, and is next claimed alone, where a crash counts.
local function charge(job_id, overdue_since_ms, was_spared, in_company)
  if in_company then
    redis.call('HSET', keys.job(job_id), 'hf_suspect', '1')
    return false
  end
  local spared = overdue_since_ms <= grace_until_ms and not was_spared
  if spared then
    redis.call('HSET', keys.job(job_id), 'hf_spared', '1')
  end
  return not spared
end

local terms = {budget = budget, stamp = stamp, epoch = epoch, obituary = obituary}

local function row(word, queue, job_id, execution, fence, worker, since_ms)
  return {word, queue, job_id, execution, fence or '0', worker or '', whole(now_ms - since_ms)}
end

local function reclaim(queue, entry, deadline_ms)
  local job_id, execution = string.match(entry, '^(.*):([^:]*)$')
  local job = redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence', 'hf_lease', 'worker_name', 'hf_spared', 'origin', 'hf_company')
  if not job[1] or job[3] ~= execution or is_ended_by_a_person(job_id, job[1], job[6] or queue) then
    drop_entries(job_id, queue, execution)
    return row('removed', queue, job_id, execution, job[2], job[4], deadline_ms)
  end
  if job[1] ~= 'started' then
    go_on(job_id, job[1], job[6] or queue)
  end
  local charged = charge(job_id, deadline_ms, job[5], job[7])
  local held = {job_id = job_id, queue = queue, execution = execution, fence = job[2], worker = job[4] or ''}
  local word = after_death('reclaim', held, 'lease expired', charged, terms)
  return row(word == 'buried' and 'buried' or 'reclaimed', queue, job_id, execution, job[2], job[4], deadline_ms)
end

-- A stock worker's execution whose heartbeats ended. Ours have entries there too, for stock tools to see, that the
-- lease alone decides about.
local function adopt(queue, entry, since_ms)
  local job_id, execution = string.match(entry, '^(.*):([^:]*)$')
  if not execution then
    -- RQ 1 wrote the job's id alone.
    redis.call('ZREM', keys.wip(queue), entry)
    job_id, execution = entry, ''
  end
  local job = redis.call('HMGET', keys.job(job_id), 'status', 'hf_fence', 'hf_lease', 'worker_name', 'hf_spared', 'hf_lease_queue')
  if redis.call('ZSCORE', keys.leases(queue), entry) then
    return nil
  end
  local goes_on = lease_stands(job_id, job[3], job[6])
  if job[1] ~= 'started' or goes_on or is_run_by_stock(job_id, queue) then
    drop_entries(job_id, queue, execution)
    return row('removed', queue, job_id, execution, job[2], job[4], since_ms)
  end
  local charged = charge(job_id, since_ms, job[5])
  local held = {job_id = job_id, queue = queue, execution = execution, fence = job[2] or '0', worker = job[4] or ''}
  local word = after_death('reclaim', held, 'stock worker died', charged, terms)
  return row(word == 'buried' and 'buried' or 'reclaimed', queue, job_id, execution, job[2], job[4], since_ms)
end

local function overdue(set, until_when, left)
  return left > 0 and peek('ZRANGEBYSCORE', set, '-inf', until_when, 'WITHSCORES', 'LIMIT', 0, left) or {}
end

local rows, passed_over = {}, {}

-- An entry that cannot be dealt with, since something of its job is of another type, must not stand before the others for
-- ever: it comes a minute later, unless it is gone already: then its job is for the orphans chore to find.
local AGAIN_S = 60

local function deal_with(deed, set, queue, entry, since_ms, later)
  local ok, answer = pcall(deed, queue, entry, since_ms)
  if ok then
    rows[#rows + 1] = answer
  else
    redis.call('ZADD', set, 'XX', later, entry)
    passed_over[#passed_over + 1] = {entry, error_text(answer)}
  end
end

for _, queue in ipairs(known_queues()) do
  local due = overdue(keys.leases(queue), NOW_MS, most - #rows)
  for i = 1, #due, 2 do
    deal_with(reclaim, keys.leases(queue), queue, due[i], tonumber(due[i + 1]), whole(now_ms + 1000 * AGAIN_S))
  end
  local stale = overdue(keys.wip(queue), seconds(now_s), most - #rows)
  for i = 1, #stale, 2 do
    deal_with(adopt, keys.wip(queue), queue, stale[i], tonumber(stale[i + 1]) * 1000, seconds(now_s + AGAIN_S))
  end
end
return {'reclaimed', rows, passed_over}
