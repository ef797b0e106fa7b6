-- claim: queued -> started
-- Take the next jobs of the first queues that have some, under leases.
--
-- KEYS     suspended   string  while present nobody claims
-- KEYS     leased      set     gets the queue's name, so that a reaper looks there even if RQ forgot the queue
-- ARGV     worker_name who asks
-- ARGV     instance    this life of that worker
-- ARGV     op          the number of the operation; the numbers up to op + want - 1 name the attempts
-- ARGV     seen_fence  the highest fence this worker was ever given
-- ARGV     lease_ms    how far past now the deadline lies
-- ARGV     budget      how many crashes a job may cause, unless it says otherwise
-- ARGV     want        how many at the most
-- ARGV     listens     1: the asker may be the listener of some of the queues
-- ARGV     listener    under which name it listens
-- ARGV     listen_ms   how long a listener is one without asking again
-- ARGV     stamp       now, as RQ writes it; empty if the asker did not know when this would be
-- ARGV     epoch       now, in seconds, as RQ writes it in executions; empty then
-- ARGV     queue_names... where to look, in this order
-- OUTCOME  claimed  rows...  queue job_id execution fence deadline_ms generation record: each job is yours until then
-- OUTCOME  aftermath  queue job_id entry record  not a job: what is left to tell of one that was buried
-- OUTCOME  empty    queues...  nothing is due; these are the asker's to listen at for plain producers
-- OUTCOME  again    so much in line could not be taken that this script stopped looking
-- OUTCOME  closed   why  no claim is let through
-- OUTCOME  lost     the lease of a replayed claim is gone
local asker = {worker_name = worker_name, instance = instance, op = tonumber(op), seen_fence = tonumber(seen_fence),
  lease_ms = tonumber(lease_ms), stamp = stamp, epoch = epoch, budget = budget, held = 0}
if stamp == '' then
  asker.is_called = true
  asker.stamp, asker.epoch = as_a_date(now_us), string.format('%.6f', now_s)
end
local last_op, fence_given, slot = last_operation(instance)

-- One job taken with nothing about it to decide. Gives the answer, or nil if it is not so plain.
local function plain_claim()
  local execution, queue, job_id, flat, job, others = reserve_plain(asker, last_op, fence_given, queue_names, want)
  if not execution then
    return nil
  end
  local row, fence = take_plain(asker, queue_names, want, execution, queue, job_id, flat, job, others)
  if listens == '1' then
    stop_listening(queue_names, listener)
  end
  local answer = keep(instance, op, {'claimed', row}, fence)
  row[7] = as_taken(flat, asker)
  return answer
end

local plain_answer = plain_claim()
if plain_answer then
  return plain_answer
end

--- otherwise
local first_answer = answer_to(op, last_op, slot)
if first_answer then
  return with_records(claimed_before(first_answer))
end
give_back_unheard(asker, fence_given, slot)

local is_plain = redis.call('EXISTS', unpack(seldom_there(queue_names))) == 0
if not is_plain and redis.call('EXISTS', keys.suspended()) == 1 then
  return keep(instance, op, {'closed', 'suspended'})
end

-- A write that a server without memory refuses, before anything is taken: no job is begun that could not be ended.
redis.call('SADD', keys.leased(), unpack(queue_names))
local answer, records = find(queue_names, tonumber(want), asker, is_plain)
keep(instance, op, answer, whole(asker.seen_fence))
if answer[1] == 'empty' then
  return listen(queue_names, listener, listen_ms)
end
if listens == '1' then
  stop_listening(queue_names, listener)
end
return with_records(answer, records)
