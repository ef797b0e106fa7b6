-- turn: queued, started -> started, finished, queued, scheduled, deferred
-- End leases with success as complete does, and take the next jobs as claim does, in one trip.
--
-- KEYS     suspended   string  while present nobody claims
-- KEYS     job         hash    the record of one that ended
-- KEYS     dependents  set     jobs that waited for it
-- KEYS     leases      zset    loses its deadline
-- KEYS     finished    zset    gets the ids that ended
-- KEYS     results     stream  of one whose worker keeps none: what earlier attempts have left there ends with it
-- KEYS     leased      set     gets the queues' names, so that a reaper looks there even if RQ forgot them
-- ARGV     worker_name who asks
-- ARGV     instance    this life of that worker
-- ARGV     op          the number of the operation; the numbers up to op + want - 1 name the attempts
-- ARGV     seen_fence  the highest fence this worker was ever given
-- ARGV     lease_ms    how far past now the deadlines lie
-- ARGV     budget      how many crashes a job may cause, unless it says otherwise
-- ARGV     want        how many to take at the most
-- ARGV     held        how many leases this worker has besides those that end here
-- ARGV     stamp       now, as RQ writes it
-- ARGV     epoch       now, in seconds
-- ARGV     ended_count how many leases end here
-- ARGV     words...    ten for each of them: queue, job_id, execution, fence, started, ended, value, result_ttl, repeat_ms, repeats_left, as in complete; then the queues to look in
-- OUTCOME  turned  words next  a word for each lease, as complete's; and the answer of a claim
-- OUTCOME  closed  why         an operation with a later number has been seen
local asker = {worker_name = worker_name, instance = instance, op = tonumber(op), seen_fence = tonumber(seen_fence),
  lease_ms = tonumber(lease_ms), stamp = stamp, epoch = epoch, budget = budget, held = tonumber(held)}
local last_op, fence_given, slot = last_operation(instance)

-- One job ended and one taken, with nothing about either to decide. Gives the answer, or nil if it is not so plain.
local function plain_turn()
  local queue, job_id, execution, fence, started, ended, value, result_ttl, repeat_ms = unpack(words, 1, 9)
  if ended_count ~= '1' or want == '0' or repeat_ms ~= '' or tonumber(result_ttl) < BRIEF_S then
    return nil
  end
  local job = keys.job(job_id)
  local was = redis.call('HMGET', job, 'status', 'hf_fence', 'hf_lease', 'hf_again', 'hf_moves', 'dependency_ids')
  if was[1] ~= 'started' or was[2] ~= fence or was[3] ~= execution or was[4] or was[6]
    or not redis.call('ZRANK', keys.leases(queue), job_id .. ':' .. execution) then
    return nil
  end
  local queue_names = {unpack(words, 11)}
  local next_execution, next_queue, next_id, flat, next_job, others =
    reserve_plain(asker, last_op, fence_given, queue_names, want, keys.dependents(job_id))
  if not next_execution then
    return nil
  end
  let_go(job_id, queue, execution, 'hf_error', 'hf_retry_state', 'hf_suspect')
  redis.call('HSET', job, 'status', 'finished', 'ended_at', stamp, 'last_heartbeat', stamp, 'hf_ended', 'finished',
    line(was[5], 'complete', worker_name, execution))
  if value ~= NO_RESULT then
    add_result(job_id, SUCCESSFUL, worker_name, execution, started, ended, 'return_value', value, result_ttl)
  else
    -- Earlier attempts may have left some, to be kept until the job ends.
    redis.call('EXPIRE', keys.results(job_id), result_ttl)
  end
  redis.call('ZADD', keys.finished(queue), whole(now_s + result_ttl), job_id)
  redis.call('EXPIRE', job, result_ttl)
  count_for_worker(worker_name, 'successful_job_count', math.max(0, ended - started))
  -- One out of so many turns does it for all of them.
  if asker.op % TRIMMED_AT_ONCE < tonumber(want) then
    trim(keys.finished(queue), TRIMMED_AT_ONCE)
  end
  tell('complete', job_id, queue, execution, fence, 'finished', worker_name)
  local row, next_fence = take_plain(asker, queue_names, want, next_execution, next_queue, next_id, flat, next_job, others)
  local answer = keep(instance, op, {'turned', {{'completed'}}, {'claimed', row}}, next_fence)
  row[7] = as_taken(flat, asker)
  return answer
end

local plain_answer = plain_turn()
if plain_answer then
  return plain_answer
end

--- otherwise
local first_answer = answer_to(op, last_op, slot)
if first_answer and first_answer[1] == 'turned' then
  return {'turned', first_answer[2], with_records(claimed_before(first_answer[3]))}
elseif first_answer then
  return first_answer
end

-- Of what a full server refuses, this comes first: on such a one leases end, and nothing is begun.
local queue_names = {unpack(words, 10 * ended_count + 1)}
local room = want ~= '0' and redis.pcall('SADD', keys.leased(), unpack(queue_names))
give_back_unheard(asker, fence_given, slot)

if tonumber(ended_count) > 1 then
  begin_gathering()
end
local look = look_at(words, ended_count, seldom_there(queue_names))
local said, done, worked_s = {}, 0, 0
local ended_in = {}
for i = 0, tonumber(ended_count) - 1 do
  local queue, started, ended = words[10 * i + 1], words[10 * i + 5], words[10 * i + 6]
  local word = complete_one(worker_name, stamp, look, unpack(words, 10 * i + 1, 10 * i + 10))
  said[#said + 1] = word
  if word[1] == 'completed' then
    done, worked_s = done + 1, worked_s + math.max(0, ended - started)
    ended_in[queue] = (ended_in[queue] or 0) + 1
  end
end
if gathered then
  do_gathered()
  gathered = false
end
if done > 0 then
  count_for_worker(worker_name, 'successful_job_count', worked_s, done)
end
for queue, jobs in pairs(ended_in) do
  trim(keys.finished(queue), jobs)
end

local answer, records = {'closed', 'suspended'}, {}
if want == '0' then
  answer = {'empty'}
elseif look.is_plain or redis.call('EXISTS', keys.suspended()) == 0 then
  if type(room) == 'table' then
    answer = {'closed', 'full'}
  else
    if tonumber(want) > 1 then
      begin_gathering()
    end
    answer, records = find(queue_names, tonumber(want), asker, look.is_plain)
    if gathered then
      do_gathered()
    end
  end
end
if answer[1] ~= 'claimed' then
  for i = 0, ended_count - 1 do
    if said[i + 1][1] == 'completed' then
      no_longer_at(worker_name, words[10 * i + 2])
    end
  end
end
keep(instance, op, {'turned', said, answer}, whole(asker.seen_fence))
return {'turned', said, with_records(answer, records)}
