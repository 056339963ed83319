/** The Lua scripts. All of them use the clock of Redis, because the clocks of instances differ. */
import { createHash } from 'node:crypto'

export interface Script {
  readonly lua: string
  readonly sha: string
}

export function script (lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

export const clock = `
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
`

/**
 * Takes from all buckets and places, or from none. Each key has four arguments: `b`, cost, max and window of
 * a bucket, or `p`, holder, max and lease of a place. Returns fits, used and ttl for each key, up to the
 * first that does not fit.
 */
export const take = script(`${clock}
local judged, out = {}, {}
for i = 1, #KEYS do
  local a = (i - 1) * 4
  local max, used, ttl, fits = tonumber(ARGV[a + 3]), 0, 0, false
  if ARGV[a + 1] == 'b' then
    local cost = tonumber(ARGV[a + 2])
    used = tonumber(redis.call('GET', KEYS[i]) or 0) or 0
    if used > 0 then
      ttl = redis.call('PTTL', KEYS[i])
      if ttl < 0 then
        ttl = tonumber(ARGV[a + 4])
        redis.call('PEXPIRE', KEYS[i], ttl)
      end
    end
    fits = used + cost <= max and (cost > 0 or used < max)
  else
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now())
    used = redis.call('ZCARD', KEYS[i])
    fits = used < max or redis.call('ZSCORE', KEYS[i], ARGV[a + 2]) ~= false
  end
  judged[i] = { used, ttl }
  out[#out + 1] = fits and 1 or 0
  out[#out + 1] = used
  out[#out + 1] = ttl
  if not fits then return out end
end
for i = 1, #KEYS do
  local a = (i - 1) * 4
  local used, ttl = judged[i][1], judged[i][2]
  if ARGV[a + 1] == 'p' then
    redis.call('ZADD', KEYS[i], now() + tonumber(ARGV[a + 4]), ARGV[a + 2])
    if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[a + 4]) then redis.call('PEXPIRE', KEYS[i], ARGV[a + 4]) end
    used, ttl = redis.call('ZCARD', KEYS[i]), tonumber(ARGV[a + 4])
  elseif tonumber(ARGV[a + 2]) > 0 then
    if used == 0 then
      ttl = tonumber(ARGV[a + 4])
      redis.call('SET', KEYS[i], ARGV[a + 2], 'PX', ttl)
    else
      redis.call('INCRBY', KEYS[i], ARGV[a + 2])
    end
    used = used + tonumber(ARGV[a + 2])
  end
  out[i * 3 - 1], out[i * 3] = used, ttl
end
return out
`)

/**
 * Clears a bucket. Keys: the bucket, the time of its last clearing. Arguments: the time of this clearing, how
 * long it is remembered. Returns 1, or 0 if this clearing or a later one has already run.
 */
export const clear = script(`
if (tonumber(redis.call('GET', KEYS[2]) or '') or -1) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
return 1
`)

/**
 * The heartbeat of an instance. Keys: live instances, own inbox, epoch, time of the last heartbeat.
 * Arguments: own id, lease, an initial epoch. Returns the number of live instances, the time and the epoch.
 * After an outage of Redis, all leases are renewed: no instance could send heartbeats.
 */
export const beat = script(`${clock}
local t = now()
if t - tonumber(redis.call('GET', KEYS[4]) or t) > tonumber(ARGV[2]) then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('ZADD', KEYS[1], t + tonumber(ARGV[2]), id)
  end
end
redis.call('SET', KEYS[4], string.format('%.0f', t))
redis.call('ZADD', KEYS[1], t + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t)
redis.call('PEXPIRE', KEYS[2], 60000)
redis.call('SET', KEYS[3], ARGV[3], 'NX')
return { redis.call('ZCARD', KEYS[1]), tostring(t), redis.call('GET', KEYS[3]) }
`)

/**
 * Sends a message to one instance. Keys: live instances, its inbox, bytes in the inbox. Arguments: its id,
 * topic, message, sender, maximum bytes. Returns 1, 0 if the instance is not alive, or -1 if its inbox is full. An
 * instance that was suspended reads what was sent in the last minute.
 */
export const letter = script(`${clock}
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
local bytes = redis.call('EXISTS', KEYS[2]) == 1 and tonumber(redis.call('GET', KEYS[3]) or 0) or 0
if bytes > 0 and bytes + #ARGV[3] > tonumber(ARGV[5]) then return -1 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 't', ARGV[2], 'm', ARGV[3], 'f', ARGV[4])
redis.call('SET', KEYS[3], string.format('%d', bytes + #ARGV[3]), 'PX', 60000)
redis.call('PEXPIRE', KEYS[2], 60000)
return ends and tonumber(ends) > now() and 1 or 0
`)

/**
 * Deletes read messages. Keys: own inbox, bytes in it. Argument: the id of the last message that was read.
 */
export const readLetters = script(`
local bytes = tonumber(redis.call('GET', KEYS[2]) or 0)
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', ARGV[1])) do
  redis.call('XDEL', KEYS[1], entry[1])
  bytes = bytes - #(entry[2][4] or '')
end
if redis.call('XLEN', KEYS[1]) == 0 then bytes = 0 end
redis.call('SET', KEYS[2], string.format('%d', math.max(0, bytes)), 'PX', 60000)
return 1
`)

/** Adds a credential. Key: credentials known at an address. Arguments: digest, ttl, maximum number. */
export const remember = script(`${clock}
local t = now()
redis.call('ZADD', KEYS[1], t, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t - tonumber(ARGV[2]))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`)

/** Key: credentials known at an address. Argument: ttl. Returns each digest with its age in milliseconds. */
export const knownAt = script(`${clock}
local t = now()
local found = redis.call('ZRANGEBYSCORE', KEYS[1], t - tonumber(ARGV[1]), '+inf', 'WITHSCORES')
for i = 2, #found, 2 do found[i] = tostring(t - tonumber(found[i])) end
return found
`)

/**
 * Adds records. Keys: records, broadcasts. Arguments: sender; the number of guards; the name of each guard
 * and the weight from which it refuses; the name, weight and JSON of each record. Returns 1, or 0 if a guard
 * refuses: then nothing is added.
 */
export const shareRecords = script(`
local function weight(value) return tonumber(string.match(value, '^[^|]*')) or 0 end
local i = 3
for _ = 1, tonumber(ARGV[2]) do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value and weight(value) >= tonumber(ARGV[i + 1]) then return 0 end
  i = i + 2
end
while i <= #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if not value or weight(value) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. '|' .. ARGV[i + 2])
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 't', 'record', 'm', ARGV[i + 2], 'f', ARGV[1])
  end
  i = i + 3
end
return 1
`)

/**
 * Deletes records that have not changed. Key: records. Arguments: the name and the expected value of each.
 */
export const sweepRecords = script(`
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return 1
`)

/**
 * Adds a single-use item. Keys: the item, the index. Arguments: sealed text, ttl, maximum number. Returns 0
 * if full.
 */
export const putOnce = script(`${clock}
local t = now()
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', t)
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], t + tonumber(ARGV[2]), KEYS[1])
return 1
`)

/**
 * Keys: a single-use item, the index. Returns the item and its remaining ttl. Deletes it if the argument is
 * `take`.
 */
export const takeOnce = script(`
local sealed = redis.call('GET', KEYS[1])
if not sealed then return nil end
local ttl = redis.call('PTTL', KEYS[1])
if ARGV[1] == 'take' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], KEYS[1])
end
return { sealed, ttl }
`)

/**
 * Replaces the managed keys. Keys: the document, broadcasts. Arguments: the expected version (0: none), the
 * new version, the text, sender. Returns 0 if the version is another one.
 */
export const changeKeys = script(`
if tonumber(redis.call('HGET', KEYS[1], 'version') or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'text', ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 't', 'keys', 'm', ARGV[2], 'f', ARGV[4])
return 1
`)

/** Key: last uses. Arguments: the id and the time of each. Keeps the later time. */
export const noteUses = script(`
for i = 1, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or 0) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return 1
`)
