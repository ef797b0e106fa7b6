-- Shared by what hands out jobs: an answer that nobody heard, and one that is given again.

-- A worker that asks again under a new number may not have heard the answer to the last: what it was given then goes
-- back unharmed. What it has heard of may have begun, and its end may be what a server forgot: that is the reaper's.
local function give_back_unheard(asker, fence_given, slot)
  if not fence_given or fence_given <= asker.seen_fence then
    return
  end
  local unheard = answer_in(slot)
  unheard = unheard[1] == 'turned' and unheard[3] or unheard
  -- The last one first: each goes to the front.
  for i = #unheard, 2, -1 do
    local queue, job_id, given, fence = unpack(unheard[i])
    -- What a second answer gave it has heard of, although others of the first were gone by then.
    if tonumber(fence) > asker.seen_fence and not refusal(job_id, queue, given, fence) then
      local was = redis.call('HMGET', keys.job(job_id), 'hf_moves', 'hf_again')
      local fields = {'status', 'queued', 'worker_name', ''}
      journal(fields, was[1], 'give_back', asker.worker_name, given .. ' unheard')
      redis.call('HSET', keys.job(job_id), unpack(fields))
      end_execution(job_id, queue, given, asker.worker_name)
      tell('give_back', job_id, queue, given, fence, hand_back(job_id, queue, was[2], true, asker.stamp), asker.worker_name)
    end
  end
end

-- The answer of a claim, given again: of what it gave, that which still stands.
local function claimed_before(answer)
  if answer[1] == 'aftermath' then
    if redis.call('ZSCORE', keys.aftermath(answer[2]), answer[4]) then
      return answer, {redis.call('HGETALL', keys.job(answer[3]))}
    end
    return {'lost'}, {}
  end
  if answer[1] ~= 'claimed' then
    return answer, {}
  end
  local still, records = {'claimed'}, {}
  for i = 2, #answer do
    local queue, job_id, execution, fence = unpack(answer[i])
    if not refusal(job_id, queue, execution, fence) then
      still[#still + 1], records[#records + 1] = answer[i], redis.call('HGETALL', keys.job(job_id))
    end
  end
  return #records > 0 and still or {'lost'}, records
end

-- Not before the answer was kept: what is kept for a replay has no records.
local function with_records(answer, records)
  if answer[1] == 'aftermath' then
    append(answer, records[1])
  else
    for i, record in ipairs(records) do
      answer[i + 1][7] = record
    end
  end
  return answer
end
