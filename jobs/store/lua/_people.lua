-- Shared by what people do to jobs that have ended.

-- The status of one that stands where it has not failed, whatever an app has saved over that; nil of one in no place.
local function status_by_place(job_id, queue, is_made_anew)
  if redis.call('LPOS', keys.queue(queue), job_id) then
    return 'queued'
  elseif redis.call('ZSCORE', keys.scheduled(queue), job_id) then
    return 'scheduled'
  elseif redis.call('ZSCORE', keys.deferred(queue), job_id) then
    return 'deferred'
  end
  return not is_made_anew and redis.call('ZSCORE', keys.finished(queue), job_id) and 'finished'
end

-- Where a person finds what has not succeeded.
local function places_of_the_dead(queue)
  return {keys.failed(queue), keys.canceled(queue)}
end

local function is_among_the_dead(job_id, queue)
  for _, place in ipairs(places_of_the_dead(queue)) do
    if redis.call('ZSCORE', place, job_id) then
      return true
    end
  end
  return false
end

local function leave_the_dead(job_id, queue)
  for _, place in ipairs(places_of_the_dead(queue)) do
    redis.call('ZREM', place, job_id)
  end
end

-- Not spread out: there may be more than Lua can.
local function word_and_all(word, items)
  local answer = {word}
  for i, item in ipairs(items) do
    answer[i + 1] = item
  end
  return answer
end

-- Why a person's wish is not done, or nil: somebody is at it, or it has not ended. Stock tools may end a job by its
-- status alone, and whoever runs it, our worker or a stock one, hears of that later.
local function kept_as_it_is(job_id, status)
  local job = redis.call('HMGET', keys.job(job_id), 'origin', 'hf_lease', 'hf_lease_queue', 'hf_born', 'created_at')
  local queue = job[1] or ''
  if is_in_hand(job_id, queue, job[2], job[3]) then
    return {'running'}
  end
  local is_over = status ~= 'finished' and (place_of_ended(status, queue) or is_among_the_dead(job_id, queue))
  local other = is_over and not has_ended(job_id, status, queue) and status_by_place(job_id, queue, job[4] ~= job[5])
  if other or not is_over then
    return {'not_ended', other or status or 'none'}
  end
  return nil
end

-- The effects that an attempt meant to make, and did not say whether it did.
local function effects_in_doubt(job_id)
  local names = {}
  for _, field in ipairs(redis.call('HKEYS', keys.job(job_id))) do
    if string.sub(field, 1, #EFFECT) == EFFECT and string.sub(redis.call('HGET', keys.job(job_id), field), 1, 6) == 'intent' then
      names[#names + 1] = string.sub(field, #EFFECT + 1)
    end
  end
  table.sort(names)
  return names
end
