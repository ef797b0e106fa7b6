-- Shared by what people do to jobs that have ended.

-- Why a person's wish is not done, or nil: somebody is at it, or it has not ended. Stock tools may end a job by its
-- status alone, and whoever runs it, our worker or a stock one, hears of that later.
local function kept_as_it_is(job_id, status)
  local job = redis.call('HMGET', keys.job(job_id), 'origin', 'hf_lease', 'hf_lease_queue')
  if is_in_hand(job_id, job[1] or '', job[2], job[3]) then
    return {'running'}
  end
  if status == 'finished' or not place_of_ended(status, '') then
    return {'not_ended', status or 'none'}
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
