-- Shared by what hands out work: what is left to tell of the dead, and who listens while there is none.

-- Handed out like a job, for as long as its callbacks may take and some more, and only a few times: its own small budget.
local AFTERMATH_TRIES = 3
local AFTERMATH_PATIENCE_S = 180

local function due_to_be_told(queue)
  return redis.call('ZRANGEBYSCORE', keys.aftermath(queue), '-inf', NOW_MS, 'LIMIT', '0', '1')[1]
end

local function aftermath_is_due(queue_names)
  for _, queue in ipairs(queue_names) do
    if due_to_be_told(queue) then
      return true
    end
  end
  return false
end

local function find_aftermath(queue_names, worker_name)
  for _, queue in ipairs(queue_names) do
    local due = due_to_be_told(queue)
    if due then
      local tries, status, job_id, died = string.match(due, '^(%d+) (%a+) (.*):([^:]*)$')
      local job = redis.call('HMGET', keys.job(job_id), 'data', status .. '_callback_timeout', 'failure_callback_timeout', 'hf_moves')
      redis.call('ZREM', keys.aftermath(queue), due)
      if job[1] and tonumber(tries) >= AFTERMATH_TRIES then
        local fields = {}
        journal(fields, job[4], 'aftermath', worker_name, died .. ' given up')
        redis.call('HSET', keys.job(job_id), unpack(fields))
      elseif job[1] then
        local entry = whole(tries + 1) .. ' ' .. status .. ' ' .. job_id .. ':' .. died
        local patience_s = (tonumber(job[2] or job[3]) or 60) + AFTERMATH_PATIENCE_S
        redis.call('ZADD', keys.aftermath(queue), whole(now_ms + patience_s * 1000), entry)
        tell('aftermath', job_id, queue, died, '', status, worker_name)
        return {'aftermath', queue, job_id, entry}
      end
    end
  end
  return nil
end

-- Plain producers ring no bell: one idle worker for each queue listens at the queue itself, and is known by a short
-- key. A hint, never safety: without one, everybody looks by themselves soon enough.
local function listen(queue_names, instance, listen_ms)
  local mine = {'empty'}
  for _, queue in ipairs(queue_names) do
    local by = redis.call('GET', keys.listener(queue))
    if not by or by == instance then
      redis.call('SET', keys.listener(queue), instance, 'PX', listen_ms)
      mine[#mine + 1] = queue
    end
  end
  return mine
end

-- Who gets busy wakes another to listen.
local function stop_listening(queue_names, instance)
  local rung = false
  for _, queue in ipairs(queue_names) do
    if redis.call('GET', keys.listener(queue)) == instance then
      redis.call('DEL', keys.listener(queue))
      if not rung then
        ring(queue)
        rung = true
      end
    end
  end
end

-- A moment as RQ writes it. A script has no calendar: this is `civil_from_days` of Howard Hinnant's "chrono-Compatible
-- Low-Level Date Algorithms", for years from 1970 on.
local function as_a_date(us)
  local of_day = us % 86400000000
  local days = (us - of_day) / 86400000000 + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  -- Counted from March, so that a leap day is the last one.
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  local s = math.floor(of_day / 1000000)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month, day, math.floor(s / 3600),
    math.floor(s / 60) % 60, s % 60, of_day % 1000000)
end
