-- Shared by what takes jobs: which of the lives of an id this is, and what it knows of the one before.

-- Our enqueue says so, a stock producer by a later birth. An earlier one is that of an object which an app fetched before,
-- and has saved since: what it is saved over goes on.
local function is_made_anew(job)
  return job.hf_ended == 'again' or not job.hf_born or (job.created_at or '') > job.hf_born
end

local function has_an_old_birth(job)
  return job.hf_born and job.hf_born > (job.created_at or '')
end

-- Gives its birth, where that is not what the record says.
local function keep_birth(job, fields)
  if has_an_old_birth(job) then
    append(fields, 'created_at', job.hf_born)
    return job.hf_born
  end
end

-- What a record says of one generation of its job only, where it is not 0 or none.
local OF_ONE_GENERATION = {hf_given_back = true, hf_spared = true, hf_suspect = true, hf_error = true,
  hf_last_crash = true, number_of_retries = true, hf_crashes = true, hf_failures = true}

-- A generation is a job's life from an enqueue to its end. It is a new one if the last one was finished or if the
-- record was made anew; a retry, a reclaim or a person's requeue of a failure goes on with the old one and its markers.
local function begin_generation(job_id, job, fields, gone)
  local retries = job.retries_left or '0'
  if job.hf_ended ~= 'again' and job.hf_born == job.created_at and tonumber(job.hf_retries or 0) > 0 then
    retries = job.hf_retries
    append(fields, 'retries_left', retries)
  end
  if job.hf_generation then
    keep_for_ever(job_id)
  end
  local generation = whole((tonumber(job.hf_generation) or 0) + 1)
  append(fields, 'hf_generation', generation)
  append(fields, 'hf_born', keep_birth(job, fields) or job.created_at or '')
  append(fields, 'hf_executions', '1')
  if retries ~= '0' then
    append(fields, 'hf_retries', retries)
  elseif job.hf_retries then
    gone[#gone + 1] = 'hf_retries'
  end
  if not job.hf_generation then
    return generation
  end
  for name in pairs(job) do
    if OF_ONE_GENERATION[name] or string.sub(name, 1, #EFFECT) == EFFECT then
      gone[#gone + 1] = name
    end
  end
  return generation
end

local function continue_generation(job_id, job, fields, gone)
  keep_birth(job, fields)
  append(fields, 'hf_executions', whole((tonumber(job.hf_executions) or 0) + 1))
  if job.hf_ended == 'failed' then
    keep_for_ever(job_id)
    append(fields, 'hf_crashes', '0')
    append(fields, 'hf_failures', '0')
    gone[#gone + 1] = 'number_of_retries'
    if tonumber(job.hf_retries or 0) > 0 then
      append(fields, 'retries_left', job.hf_retries)
    end
  end
  return job.hf_generation
end
