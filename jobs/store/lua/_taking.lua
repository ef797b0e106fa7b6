-- Shared by what takes jobs: which entry in line may be taken, and how.
-- `asker` has what a claim was told: worker_name, instance, op, seen_fence, lease_ms, stamp, epoch, budget, held: how
-- many leases its worker has besides, and is_called: it asked long ago, and may be asleep. What may run at most once is
-- not given to such a one: it would be dead of that, and never have run. He is to ask again.

-- A record says that the job stands elsewhere, and it does.
local function stands_elsewhere(job_id, queue, job)
  local origin = job.origin or queue
  return has_ended(job_id, job.status, origin)
    or job.status == 'deferred' and redis.call('ZSCORE', keys.deferred(origin), job_id)
end

-- Whether an entry in line may be taken now. What may not is in its own place already, or is put there.
local function may_be_taken(job_id, queue, job, holder, worker_name)
  if not job.data then
    note_ghost(job_id, queue, worker_name)
    return false
  end
  if stands_elsewhere(job_id, queue, job) then
    return false
  end
  if lease_stands(job_id, job.hf_lease, job.hf_lease_queue) then
    redis.call('HSET', keys.job(job_id), 'status', 'started', 'hf_again', '1', 'origin', queue)
    return false
  end
  local not_before_ms = held_until_ms(job_id, holder)
  if not not_before_ms and job.status == 'scheduled' then
    not_before_ms = tonumber(redis.call('ZSCORE', keys.scheduled(queue), job_id) or 0) * 1000
  elseif not not_before_ms and job.status ~= 'started' and job.hf_born == (job.created_at or '') then
    -- A retry that a stock tool put in line before its time.
    not_before_ms = tonumber(job.hf_next_run_ms)
  end
  if not_before_ms and not_before_ms > now_ms then
    redis.call('HSET', keys.job(job_id), 'status', 'scheduled')
    put_off(job_id, queue, not_before_ms)
    return false
  end
  return job.status ~= 'started' or not is_run_by_stock(job_id, queue)
end

-- The last fence of the id: on its record, or on what a record that was not kept has left.
local function last_fence(job, tombstone)
  return tonumber(job.hf_fence or string.match(tombstone or '', ' (%d+)$') or 0)
end

-- The places of a queue besides its line that there are: looked for once in a script, since none that a job is taken out
-- of comes into being in it.
local places_there = {}

local function places_besides(queue)
  if not places_there[queue] then
    local there = {}
    local others = {keys.failed(queue), keys.canceled(queue), keys.deferred(queue), keys.scheduled(queue)}
    if redis.call('EXISTS', unpack(others)) > 0 then
      for _, place in ipairs(others) do
        if redis.call('EXISTS', place) > 0 then
          there[#there + 1] = place
        end
      end
    end
    there[#there + 1] = keys.finished(queue)
    places_there[queue] = there
  end
  return places_there[queue]
end

-- Stock producers leave an id listed where it stood before. What is claimed stands nowhere else.
local function leave_other_places(job_id, queue)
  for _, place in ipairs(places_besides(queue)) do
    write('ZREM', place, job_id)
  end
end

-- Nobody knows which of several died of itself when all that their worker was died: each is then tried alone. And what
-- may run at most once is not to wait in a worker's hands.
local function must_be_alone(job, budget)
  return job.hf_suspect or tonumber(job.hf_crashes_max or budget) == 0
end

local function only_those_there(job, names)
  local there = {}
  for _, name in ipairs(names) do
    if job[name] then
      there[#there + 1] = name
    end
  end
  return there
end

-- Writes down that `asker` has a job, for us and for RQ's tools, with more fields of its record. Gives the row of the answer.
local function put_in_hand(asker, queue, job_id, timeout, execution, fence, generation, ...)
  local deadline, entry = whole(now_ms + asker.lease_ms), job_id .. ':' .. execution
  -- What is too long for a number of C's would be spelled as a moment that is long past.
  local is_bounded = timeout > 0 and timeout < LONGEST_S
  redis.call('HSET', keys.job(job_id), 'status', 'started', 'started_at', asker.stamp, 'last_heartbeat', asker.stamp,
    'worker_name', asker.worker_name, 'hf_fence', fence, 'hf_lease', execution, 'hf_lease_queue', queue, ...)
  -- What was kept for a while under this id lends its time to whatever a stock producer writes over it.
  redis.call('PERSIST', keys.job(job_id))
  write('ZADD', keys.leases(queue), deadline, entry)
  write('ZADD', keys.wip(queue), is_bounded and whole(now_s + timeout + 3600) or '+inf', entry)
  redis.call('HSET', keys.execution(job_id, execution), 'id', execution, 'created_at', asker.epoch,
    'last_heartbeat', asker.epoch, 'worker_name', asker.worker_name)
  local patience = is_bounded and whole(now_s + timeout + 3660) or '+inf'
  -- What is no set gives way: the job is out of its line by now.
  if type(redis.pcall('ZADD', keys.executions(job_id), patience, execution)) == 'table' then
    redis.call('DEL', keys.executions(job_id))
    redis.call('ZADD', keys.executions(job_id), patience, execution)
  end
  tell('claim', job_id, queue, execution, fence, 'started', asker.worker_name)
  return {queue, job_id, execution, fence, deadline, generation}
end

-- A record as it is now that its job was taken. What is ours in it nobody reads there.
local function as_taken(flat, asker)
  local n = #flat
  flat[n + 1], flat[n + 2], flat[n + 3], flat[n + 4] = 'status', 'started', 'started_at', asker.stamp
  flat[n + 5], flat[n + 6], flat[n + 7], flat[n + 8] = 'last_heartbeat', asker.stamp, 'worker_name', asker.worker_name
  return flat
end

-- Takes one; `flat` is the record as HGETALL gave it, `job` the same as a map. Gives the row of the answer, and the
-- record as it is now.
local function take(job_id, queue, flat, job, tombstone, asker, number, in_company)
  if job.origin then
    leave_other_places(job_id, job.origin)
  end
  local execution = asker.instance .. string.format('%016x', asker.op + number)
  asker.seen_fence = math.max(last_fence(job, tombstone) + 1, asker.seen_fence + 1, now_us)
  local fence = whole(asker.seen_fence)
  local fields = {}
  if job.origin ~= queue then
    append(fields, 'origin', queue)
  end
  local gone = {'hf_ended', 'hf_dead', 'hf_retry_state', 'hf_next_run_ms', 'hf_again', 'hf_company'}
  local is_new = not job.hf_generation or job.hf_ended == 'finished' or is_made_anew(job)
  local generation = is_new and begin_generation(job_id, job, fields, gone) or continue_generation(job_id, job, fields, gone)
  gone = only_those_there(job, gone)
  -- As many as Lua can spread out at once: a job may have made an effect for each of many.
  for first = 1, #gone, 1000 do
    redis.call('HDEL', keys.job(job_id), unpack(gone, first, math.min(first + 999, #gone)))
  end
  if in_company then
    append(fields, 'hf_company', '1')
  end
  journal(fields, job.hf_moves, 'claim', asker.worker_name, execution .. ' ' .. fence)
  write('HSET', keys.held(), job_id, queue .. ':' .. execution)
  local row = put_in_hand(asker, queue, job_id, tonumber(job.timeout) or 180, execution, fence, generation, unpack(fields))
  if #gone > 0 or job.origin ~= queue or has_an_old_birth(job) then
    return row, redis.call('HGETALL', keys.job(job_id))
  end
  return row, as_taken(flat, asker)
end

-- What is asked of ids besides their records, asked at once: who has them, and what those not kept have left.
local function known_of(ids)
  local tombstones = {}
  for i, job_id in ipairs(ids) do
    tombstones[i] = keys.tombstone(job_id)
  end
  return redis.call('HMGET', keys.held(), unpack(ids)), redis.call('MGET', unpack(tombstones))
end

local function put_back(queue, ids, first)
  for i = #ids, first, -1 do
    redis.call('LPUSH', keys.queue(queue), ids[i])
  end
end

-- Enough to pass over any dirt left in a queue by hand; more waits for the next claim, so no script runs long.
local MOST_PASSED_OVER = 100

-- Whether a job that may be taken is to wait for another claim. `hand` is what was taken so far.
local function must_wait(alone, hand, asker)
  return #hand.records >= hand.want or alone and (#hand.records > 0 or asker.held > 0 or asker.is_called)
end

-- Takes of these ids, just taken out of that line, as many as are wanted. Gives how many it passed over for good.
local function take_of(queue, ids, hand, asker)
  local holders, tombstones = known_of(ids)
  local passed_over = 0
  for i, job_id in ipairs(ids) do
    if hand.took[job_id] and gathered then
      do_gathered() -- in line twice: what is done for the first must be seen
    end
    -- What is no record is none: in the middle of a script an error would leave what was taken before in no place.
    local flat = redis.pcall('HGETALL', keys.job(job_id))
    if is_refused(flat) then
      put_back(queue, ids, i)
      return redis.call('HGETALL', keys.job(job_id))
    end
    local job = to_map(flat)
    local alone = must_be_alone(job, asker.budget)
    if not may_be_taken(job_id, queue, job, holders[i], asker.worker_name) then
      passed_over = passed_over + 1
    elseif must_wait(alone, hand, asker) then
      put_back(queue, ids, i)
      hand.want = #hand.records
      hand.gave_up = hand.gave_up or asker.is_called
      return passed_over
    else
      local number = #hand.records
      local in_company = not alone and (hand.want > 1 or asker.held > 0)
      local row, record = take(job_id, queue, flat, job, tombstones[i], asker, number, in_company)
      hand.rows[number + 1], hand.records[number + 1] = row, record
      hand.took[job_id] = true
      hand.want = alone and 1 or hand.want
    end
  end
  return passed_over
end

-- Takes up to `want` jobs. Gives the answer, whose rows are kept for a replay, and the records of those jobs.
local function take_some(queue_names, want, asker)
  local hand = {want = want, rows = {}, records = {}, took = {}, gave_up = false}
  for _, queue in ipairs(queue_names) do
    local passed_over = 0
    while #hand.records < hand.want and passed_over < MOST_PASSED_OVER do
      local ids = redis.call('LPOP', keys.queue(queue), whole(hand.want - #hand.records))
      if not ids then
        break
      end
      passed_over = passed_over + take_of(queue, ids, hand, asker)
    end
    hand.gave_up = hand.gave_up or passed_over >= MOST_PASSED_OVER
  end
  if #hand.rows == 0 then
    return {hand.gave_up and 'again' or 'empty'}, hand.records
  end
  redis.call('HSET', keys.worker(asker.worker_name), 'state', 'busy', 'current_job', hand.rows[1][2],
    'current_job_working_time', '0')
  return {'claimed', unpack(hand.rows)}, hand.records
end

-- What bids a claim do something else first.
local function seldom_there(queue_names)
  local seldom = {keys.suspended()}
  for _, queue in ipairs(queue_names) do
    seldom[#seldom + 1] = keys.aftermath(queue)
  end
  return seldom
end

-- Bells say what is left in line.
local function ring_for_more(queue_names, found_none)
  for _, queue in ipairs(queue_names) do
    -- Both are there while others are busy, and neither while nothing is to be done.
    if redis.call('EXISTS', keys.queue(queue), keys.bell(queue)) == 1 then
      if redis.call('EXISTS', keys.queue(queue)) == 1 then
        ring(queue)
      elseif found_none then
        redis.call('DEL', keys.bell(queue))
      end
    end
  end
end

-- What claims do besides: the dead are spoken for first. `is_plain`: there is nothing of what there seldom is.
local function find(queue_names, want, asker, is_plain)
  local left_to_tell = not is_plain and asker.held == 0 and find_aftermath(queue_names, asker.worker_name)
  local answer, records
  if not is_plain and asker.held > 0 and aftermath_is_due(queue_names) then
    -- Told by who has nothing else in hand: so it comes to that.
    answer, records = {'empty'}, {}
  elseif left_to_tell then
    answer, records = left_to_tell, {redis.call('HGETALL', keys.job(left_to_tell[3]))}
  else
    answer, records = take_some(queue_names, want, asker)
  end
  ring_for_more(queue_names, answer[1] == 'empty')
  return answer, records
end
