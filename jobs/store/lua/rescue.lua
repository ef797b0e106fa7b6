-- rescue: queued, scheduled, deferred, started -> queued, scheduled, deferred, failed
-- Put jobs back that are in no place: stock RQ's work in two steps, cut between them.
--
-- KEYS     orphans       hash    jobs seen in no place -> since when, and in what state
-- KEYS     job           hash    the record
-- KEYS     queue         list    the line
-- KEYS     intermediate  list    where a stock worker's hand-over may have ended
-- KEYS     first_seen    string  stock RQ's own note of that
-- KEYS     scheduled     zset    what waits
-- KEYS     deferred      zset    what waits for others
-- KEYS     dependencies  set     and for whom
-- KEYS     tombstone     string  what the end of a job without a record has left
-- ARGV     every_ms      how often the fleet does this; 0: now, whoever was last
-- ARGV     goes_on       1: the turn is ours, and there was more to do than fits in a batch
-- ARGV     patience_ms   how long a job must have been seen in no place, unchanged
-- ARGV     budget        how many crashes a job may cause, unless it says otherwise
-- ARGV     stamp         now, as RQ writes it
-- ARGV     epoch         now, in seconds
-- ARGV     obituary      for jobs whose budget is used up
-- ARGV     suspects...   ids of jobs that may be in no place
-- OUTCOME  rescued  rows passed_over  each row: job_id, queue, and where it was missed: line, intermediate, scheduled, deferred, hands; then what could not be dealt with: job_id, why
-- OUTCOME  not_due  ms    someone did this just now
local wait = not_my_turn('orphans', every_ms, goes_on)
if wait then
  return wait
end

local function is_in_list(list, job_id)
  return redis.call('LPOS', list, job_id) and true or false
end

-- All it waited for has ended, and nobody told it. Where all parents are gone nobody knows how they ended: a person may
-- have deleted them. Beside one that is there they count as ended, as in RQ.
local function waits_for_nothing(job_id, job)
  for _, id in ipairs(redis.call('SMEMBERS', keys.dependencies(job_id))) do
    if redis.call('EXISTS', keys.job(id)) == 1 then
      return dependencies_are_met(job_id, '', job.allows_failure)
    end
  end
  return false
end

local MISSED_FROM = {queued = 'line', scheduled = 'scheduled', deferred = 'deferred', started = 'hands'}

-- Where an app has saved an old state of it over the record, or made the record anew after it was forgotten, the job is over.
-- Stock producers leave an id listed where it ended before: what a stock worker has taken was in line since.
local function is_over(job_id, job, is_handed_over)
  if job.is_made_anew then
    -- Our enqueue takes an id out of where it stood: where a person has canceled it, that was since.
    return job.ended == 'again' and has_ended(job_id, 'canceled', job.queue)
  elseif is_handed_over then
    return has_ended(job_id, 'canceled', job.queue)
  elseif job.is_out_of_date and job.ended then
    return true
  end
  for _, status in ipairs({'finished', 'failed', 'canceled'}) do
    if has_ended(job_id, status, job.queue) then
      return true
    end
  end
  return job.ended == 'gone'
end

-- Where a job of that state is missed, or nil when it stands somewhere.
local function missed_from(job_id, job)
  local is_handed_over = job.status == 'queued' and is_in_list(keys.intermediate(job.queue), job_id)
  if is_over(job_id, job, is_handed_over) or redis.call('ZSCORE', keys.scheduled(job.queue), job_id) then
    return nil
  elseif redis.call('ZSCORE', keys.deferred(job.queue), job_id) then
    return waits_for_nothing(job_id, job) and 'deferred' or nil
  elseif not MISSED_FROM[job.status] or job.is_a_draft or is_in_hand(job_id, job.queue, job.lease, job.lease_queue) or is_in_list(keys.queue(job.queue), job_id) then
    return nil
  end
  return is_handed_over and 'intermediate' or MISSED_FROM[job.status]
end

local put_back_in = {}

function put_back_in.line(job_id, job)
  put_in_line(job_id, job.queue, true)
end

function put_back_in.intermediate(job_id, job)
  redis.call('LREM', keys.intermediate(job.queue), 1, job_id)
  redis.call('DEL', keys.first_seen(job.queue, job_id))
  put_in_line(job_id, job.queue, true)
end

function put_back_in.scheduled(job_id, job)
  put_off(job_id, job.queue, tonumber(job.next_run_ms) or now_ms)
end

function put_back_in.deferred(job_id, job)
  if waits_for_nothing(job_id, job) then
    redis.call('ZREM', keys.deferred(job.queue), job_id)
    redis.call('HSET', keys.job(job_id), 'status', 'queued', 'enqueued_at', stamp)
    put_in_line(job_id, job.queue, false)
  else
    redis.call('ZADD', keys.deferred(job.queue), seconds(now_s), job_id)
  end
end

function put_back_in.hands(job_id, job)
  local held = {job_id = job_id, queue = job.queue, execution = job.lease or '', fence = job.fence or '0',
    worker = job.worker or ''}
  local terms = {budget = budget, stamp = stamp, epoch = epoch, obituary = obituary}
  after_death('rescue', held, 'in nobody\'s hands', true, terms)
end

local NAMES = {'data', 'status', 'origin', 'hf_lease', 'hf_lease_queue', 'hf_fence', 'worker_name', 'hf_next_run_ms',
  'allow_dependency_failures', 'enqueued_at', 'hf_moves', 'hf_born', 'created_at', 'hf_ended'}

local function read(job_id)
  local values = redis.call('HMGET', keys.job(job_id), unpack(NAMES))
  if not values[1] or not values[3] then
    return nil
  end
  return {status = values[2], queue = values[3], lease = values[4], lease_queue = values[5], fence = values[6],
    worker = values[7], next_run_ms = values[8], allows_failure = values[9] == '1', moves = values[11],
    -- RQ's create_job() makes a record that is `queued`, and an app may save it to have it approved first.
    is_a_draft = values[2] == 'queued' and (values[10] or '') == '' and not values[11],
    -- Stock producers leave an id listed where its last generation ended.
    is_made_anew = values[12] and (values[14] == 'again' or values[12] < (values[13] or '')),
    -- An app has saved an object that it fetched before the id was enqueued again, and with it an earlier queue.
    is_out_of_date = values[12] and values[12] > (values[13] or ''), created_at = values[13], ended = values[14],
    -- Two sightings count only of a job to which nothing has happened in between.
    state = (values[2] or '') .. ' ' .. (values[10] or '') .. ' ' .. (values[11] or '')}
end

-- What is made anew of a job without a record is known for a while by what its end has left, and from then on by a mark.
local function mark_what_is_gone(job_id, job)
  local tombstone = not job.fence and redis.call('GET', keys.tombstone(job_id))
  if job.created_at and (string.match(tombstone or '', '(%d%S+) %d+$') or '') >= job.created_at then
    redis.call('HSET', keys.job(job_id), 'hf_ended', 'gone', 'hf_born', job.created_at)
    job.ended, job.is_made_anew = 'gone', false
  end
end

local function look_for(job_id)
  local job = read(job_id)
  if job then
    mark_what_is_gone(job_id, job)
  end
  local place = job and missed_from(job_id, job)
  if not place then
    redis.call('HDEL', keys.orphans(), job_id)
    return nil
  end
  local since_ms, state = string.match(redis.call('HGET', keys.orphans(), job_id) or '', '^(%d+) (.*)$')
  -- Noted later than now: the server's clock went back, and nothing may wait for it to catch up.
  if state ~= job.state or tonumber(since_ms) > now_ms then
    redis.call('HSET', keys.orphans(), job_id, NOW_MS .. ' ' .. job.state)
    return nil
  end
  if now_ms - since_ms < tonumber(patience_ms) then
    return nil
  end
  redis.call('HDEL', keys.orphans(), job_id)
  local fields = {}
  journal(fields, job.moves, 'rescue', 'orphans', place)
  redis.call('HSET', keys.job(job_id), unpack(fields))
  put_back_in[place](job_id, job)
  tell('rescue', job_id, job.queue, '', '', redis.call('HGET', keys.job(job_id), 'status'), place)
  return {job_id, job.queue, place}
end

local rows, passed_over = {}, {}
for _, job_id in ipairs(suspects) do
  -- One of which something is of another type must not hide those behind it: it is forgotten, and found anew.
  local ok, answer = pcall(look_for, job_id)
  if not ok then
    redis.call('HDEL', keys.orphans(), job_id)
    passed_over[#passed_over + 1] = {job_id, error_text(answer)}
  elseif answer then
    rows[#rows + 1] = answer
  end
end
return {'rescued', rows, passed_over}
