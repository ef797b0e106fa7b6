-- enqueue: none -> queued, scheduled
-- Write a job's record and put it in line, or in the scheduled set when it was given a moment.
--
-- KEYS     queues         set     gets the queue's key
-- KEYS     queue          list    gets the id
-- KEYS     job            hash    the record
-- KEYS     scheduled      zset    gets the id when it was given a moment
-- KEYS     deferred       zset    loses an earlier generation of the id
-- KEYS     dependencies   set     what an earlier generation waited for
-- KEYS     dedupe         string  the job that a key already made
-- KEYS     tombstone      string  says that this very enqueue has been and gone
-- ARGV     op             names this enqueue; sent again with a repeated request
-- ARGV     queue_name     where to
-- ARGV     job_id         whose
-- ARGV     at_front       1: next in line
-- ARGV     ttl            seconds it may wait in line, or empty
-- ARGV     due_ms         when it is due, by the server's clock, or empty
-- ARGV     delay_ms       how far from now it is due, or empty
-- ARGV     key            keeps a second job with the same key out, or empty
-- ARGV     key_horizon_ms for how long
-- ARGV     unique         1: refuse an id that exists
-- ARGV     stamp          now, as RQ writes it
-- ARGV     fields...      the record: name, value, name, value
-- OUTCOME  queued     job_id  in line
-- OUTCOME  scheduled  job_id  waits until it is due
-- OUTCOME  duplicate  job_id  the key, or the id, already made this job

-- So many enqueues of an id are known by name, newest first: of one that arrives after as many newer ones nothing is known.
local KNOWN_BY_NAME = 8

-- What an earlier generation of the id was told, and the new one is not unless its producer says so. Of ours: RQ's Job
-- does not know of it, so one that is fetched and put in line again, as a scheduler does, cannot say it.
local TOLD_BY_US = {'hf_crashes_max', 'hf_jitter'}
local TOLD_EARLIER = {'retries_left', 'retry_intervals', 'enqueue_at_front_on_retry',
  'number_of_retries', 'repeats_left', 'repeat_intervals', 'meta', 'ttl', 'result_ttl', 'failure_ttl', 'webhooks',
  'enqueue_at_front', 'dependency_id', 'dependency_ids', 'allow_dependency_failures', 'success_callback_timeout',
  'failure_callback_timeout', 'stopped_callback_timeout', 'success_callback_name', 'failure_callback_name',
  'stopped_callback_name', 'group_id'}

local due = tonumber(due_ms) or (delay_ms ~= '' and now_ms + delay_ms)

-- A long line is looked through near its ends alone, so that nobody holds the server.
local WHOLE_LINE, END_OF_LINE = 20000, 5000

-- Takes an earlier generation out of line. False for one in the middle of a long line, which keeps its place: it is
-- younger than one that has END_OF_LINE before it, so no worker has just taken it out.
local function leave_line(job_id, queue, enqueued_at)
  local place, from = keys.queue(queue), '1'
  if redis.call('LLEN', place) > WHOLE_LINE and not redis.call('LPOS', place, job_id, 'MAXLEN', END_OF_LINE) then
    local is_last = redis.call('LPOS', place, job_id, 'RANK', -1, 'MAXLEN', END_OF_LINE)
    local may_stay = queue == queue_name and at_front ~= '1' and not due and enqueued_at
    local before = may_stay and redis.call('HGET', keys.job(redis.call('LINDEX', place, END_OF_LINE)), 'enqueued_at')
    if not is_last and before and before < enqueued_at then
      return false
    end
    from = is_last and '-1' or '1'
  end
  redis.call('LREM', place, from, job_id)
  return true
end

-- Gives when the new one was born.
local function forget_what_it_was_told(job, created_at)
  redis.call('HDEL', job, unpack(TOLD_EARLIER))
  local born
  for i = 1, #fields, 2 do
    born = fields[i] == 'created_at' and fields[i + 1] or born
  end
  if born and born ~= created_at then
    redis.call('HDEL', job, unpack(TOLD_BY_US))
  end
  return born
end

local job = keys.job(job_id)
-- Most ids have never been seen: one question spares them all that follows about an earlier generation.
local is_new = redis.call('EXISTS', job, keys.tombstone(job_id)) == 0
local was, earlier = {}, ''
if not is_new then
  was = redis.call('HMGET', job, 'status', 'hf_op', 'origin', 'hf_lease', 'hf_lease_queue', 'hf_moves',
    'created_at', 'enqueued_at')
  -- Sent again: the first answer, from the record or from what a record that is gone has left. Also one that newer ones
  -- have overtaken on its way: it would take their place.
  local kept, known = was[2] or redis.call('GET', keys.tombstone(job_id)) or '', 1
  for by, word in string.gmatch(kept, '(%S+) (%a+)') do
    if by == op then
      return {word, job_id}
    end
    known = known + 1
    if known <= KNOWN_BY_NAME then
      earlier = earlier .. ' ' .. by .. ' ' .. word
    end
  end
  if unique == '1' and redis.call('EXISTS', job) == 1 then
    return {'duplicate', job_id}
  end
end
if key ~= '' then
  local made = redis.call('GET', keys.dedupe(#queue_name, queue_name, key))
  if made then
    return {'duplicate', made}
  end
  redis.call('SET', keys.dedupe(#queue_name, queue_name, key), job_id, 'PX', key_horizon_ms)
end

redis.call('SADD', keys.queues(), keys.queue(queue_name))
-- Also one that is due already, as in RQ: the promoter puts it in line.
local status = due and 'scheduled' or 'queued'

-- It is being worked on: not beside itself. Its settle puts it in line as a generation of its own. What the record
-- says of the work going on stays.
if was[1] == 'started' and lease_stands(job_id, was[4], was[5]) then
  forget_what_it_was_told(job, was[7])
  local when = due and whole(due) or at_front == '1' and 'front' or '1'
  local record = {'hf_op', op .. ' ' .. status .. earlier, 'hf_again', when}
  for i = 1, #fields, 2 do
    if fields[i + 1] ~= '' then
      append(record, fields[i], fields[i + 1])
    end
  end
  journal(record, was[6], 'enqueue', queue_name, 'again')
  redis.call('HSET', job, unpack(record))
  redis.call('DEL', keys.dependencies(job_id))
  tell('enqueue', job_id, queue_name, '', '', 'again', 'producer')
  return {status, job_id}
end

local stays = false
if not is_new then
  -- One place at a time: an earlier generation of the id leaves the place where it was.
  local origin = was[3] or queue_name
  local place = place_of_ended(was[1], origin)
    or was[1] == 'scheduled' and keys.scheduled(origin) or was[1] == 'deferred' and keys.deferred(origin)
  if was[1] == 'queued' then
    stays = not leave_line(job_id, origin, was[8])
  elseif place then
    redis.call('ZREM', place, job_id)
  end
  keep_for_ever(job_id)
  redis.call('DEL', keys.dependencies(job_id))
  redis.call('HDEL', job, 'hf_next_run_ms', 'hf_again', 'result', 'exc_info', 'started_at', 'ended_at', 'last_heartbeat',
    'worker_name')
  local born = forget_what_it_was_told(job, was[7])
  if born and was[7] then
    -- An app may save an object that it fetched before: by this the new generation is known all the same.
    append(fields, 'hf_ended', 'again')
    append(fields, 'hf_born', born)
  end
end

append(fields, 'hf_op', op .. ' ' .. status .. earlier)
append(fields, 'status', status)
if status == 'queued' and not stays then
  append(fields, 'enqueued_at', stamp)
end
journal(fields, was[6], 'enqueue', queue_name, status)
redis.call('HSET', job, unpack(fields))
if ttl ~= '' and status == 'queued' then
  redis.call('EXPIRE', job, ttl)
end
if due then
  put_off(job_id, queue_name, due)
elseif not stays then
  put_in_line(job_id, queue_name, at_front == '1')
end
tell('enqueue', job_id, queue_name, '', '', status, 'producer')
return {status, job_id}
