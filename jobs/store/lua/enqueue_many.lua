-- enqueue_many: none -> queued
-- Put new jobs in line that are alike: all of them, or none where one may not be new.
--
-- KEYS     queues         set     gets the queue's key
-- KEYS     queue          list    gets the ids
-- KEYS     job            hash    the records
-- KEYS     tombstone      string  says that an id has been and gone
-- ARGV     op             names this enqueue of each of them; sent again with a repeated request
-- ARGV     queue_name     where to
-- ARGV     at_front       1: next in line, the last one first, as in RQ
-- ARGV     ttl            seconds they may wait in line, or empty
-- ARGV     stamp          now, as RQ writes it
-- ARGV     own            names of the fields of which each has a value of its own, with spaces between
-- ARGV     in_common      how many of the values are the fields they have in common: name, value, name, value
-- ARGV     values...      those; then, for each job, its id and its own values
-- OUTCOME  queued         all are in line
-- OUTCOME  known          nothing is done: an id has been enqueued before, maybe by this very request
local record = {'hf_op', op .. ' queued', 'status', 'queued', 'enqueued_at', stamp}
journal(record, nil, 'enqueue', queue_name, 'queued')
for i = 1, in_common do
  record[#record + 1] = values[i]
end
-- The own values of one job after the other stand where these zeros do.
local slots = {}
for name in string.gmatch(own, '%S+') do
  append(record, name, 0)
  slots[#slots + 1] = #record
end

local ids, traces = {}, {}
for i = in_common + 1, #values, #slots + 1 do
  ids[#ids + 1] = values[i]
  append(traces, keys.job(values[i]), keys.tombstone(values[i]))
end
if redis.call('EXISTS', unpack(traces)) > 0 then
  return {'known'}
end

redis.call('SADD', keys.queues(), keys.queue(queue_name))
local at = in_common + 1
for _, job_id in ipairs(ids) do
  for i, slot in ipairs(slots) do
    record[slot] = values[at + i]
  end
  at = at + 1 + #slots
  redis.call('HSET', keys.job(job_id), unpack(record))
  if ttl ~= '' then
    redis.call('EXPIRE', keys.job(job_id), ttl)
  end
  tell('enqueue', job_id, queue_name, '', '', 'queued', 'producer')
end
redis.call(at_front == '1' and 'LPUSH' or 'RPUSH', keys.queue(queue_name), unpack(ids))
ring(queue_name)
return {'queued'}
