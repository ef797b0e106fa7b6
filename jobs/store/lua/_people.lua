-- Shared by what people do to jobs that have ended.

local PLACE_OF_ENDED = {failed = keys.failed, stopped = keys.failed, canceled = keys.canceled}

-- Whether somebody is at it all the same: stock tools end a job by its status alone, and whoever runs it, our worker
-- or a stock one, hears of that later.
local function is_worked_on(job_id)
  local job = redis.call('HMGET', keys.job(job_id), 'origin', 'hf_lease', 'hf_lease_queue')
  if job[2] and redis.call('ZSCORE', keys.leases(job[3]), job_id .. ':' .. job[2]) then
    return true
  end
  return is_run_by_stock(job_id, job[1] or '')
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
