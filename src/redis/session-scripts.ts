/** The Lua scripts for sessions and their stream events. */
import { clock, script } from './link/scripts.js'

/**
 * Adds a session. Keys: all sessions, the number of sessions of each owner, the sessions of this owner.
 * Arguments: owner, id, maximum, maximum for each owner, idle time, lifetime, the prefix of owner keys.
 * Returns the ids of the sessions that ended to make room: the least recently used one of this owner, or of
 * the owner with the most sessions.
 */
export const admitSession = script(`${clock}
local t = now()
local ended = {}
local function drop(member)
  local owner = string.sub(member, 1, 22)
  if redis.call('ZREM', KEYS[1], member) == 0 then return end
  redis.call('ZREM', ARGV[7] .. owner, member)
  if tonumber(redis.call('ZINCRBY', KEYS[2], -1, owner)) <= 0 then redis.call('ZREM', KEYS[2], owner) end
  ended[#ended + 1] = string.sub(member, 23)
end
local function oldest_of_most()
  local most = tonumber(redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
  local from = 0
  while true do
    local some = redis.call('ZRANGE', KEYS[1], from, from + 99)
    if #some == 0 then return redis.call('ZRANGE', KEYS[1], 0, 0)[1] end
    for _, member in ipairs(some) do
      if tonumber(redis.call('ZSCORE', KEYS[2], string.sub(member, 1, 22)) or 0) >= most then return member end
    end
    from = from + 100
  end
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t - tonumber(ARGV[5]), 'LIMIT', 0, 1000)) do
  drop(member)
end
while redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[4]) do drop(redis.call('ZRANGE', KEYS[3], 0, 0)[1]) end
while redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) do drop(oldest_of_most()) end
redis.call('ZADD', KEYS[1], t, ARGV[1] .. ARGV[2])
redis.call('ZADD', KEYS[3], t, ARGV[1] .. ARGV[2])
redis.call('ZINCRBY', KEYS[2], 1, ARGV[1])
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[6]) end
return ended
`)

/**
 * Notes the use of a session. Keys: all sessions, the sessions of an owner. Arguments: owner and id,
 * lifetime.
 */
export const noteUse = script(`${clock}
local t = now()
for i = 1, 2 do
  redis.call('ZADD', KEYS[i], 'XX', t, ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return 1
`)

/**
 * Removes a session. Keys: all sessions, the number of each owner, the sessions of this owner. Arguments:
 * owner, id.
 */
export const dismissSession = script(`
if redis.call('ZREM', KEYS[1], ARGV[1] .. ARGV[2]) == 0 then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1] .. ARGV[2])
if tonumber(redis.call('ZINCRBY', KEYS[2], -1, ARGV[1])) <= 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
return 1
`)

/** Stores a session. Key: the session. Arguments: idle time, then its fields and values. */
export const openSession = script(`${clock}
redis.call('HSET', KEYS[1], 't', tostring(now()), unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`)

/**
 * Uses a session. Key: the session. Arguments: owner (`''`: any), the known version, idle time, lifetime,
 * then the rights to add. Returns 0 if there is no session, 1 if the version is the known one, otherwise all
 * fields.
 */
export const useSession = script(`${clock}
local found = redis.call('HMGET', KEYS[1], 'o', 't', 'v')
if not found[1] or (ARGV[1] ~= '' and found[1] ~= ARGV[1]) then return 0 end
local left = tonumber(found[2]) + tonumber(ARGV[4]) - now()
if left <= 0 then
  redis.call('UNLINK', KEYS[1])
  return 0
end
local version = tonumber(found[3])
local isNew = false
for i = 5, #ARGV do
  -- More rights than one credential can have: the session can no longer be resumed.
  local right = redis.call('HLEN', KEYS[1]) < 700 and ARGV[i] or 'many'
  if redis.call('HSETNX', KEYS[1], right, 1) == 1 then isNew = true end
end
if isNew then version = redis.call('HINCRBY', KEYS[1], 'v', 1) end
redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(tonumber(ARGV[3]), left)))
if version == tonumber(ARGV[2]) then return 1 end
return redis.call('HGETALL', KEYS[1])
`)

/**
 * Changes a session. Key: the session. Arguments: the kind of change, its value, the maximum number of URIs.
 * Returns the new version, -1 if there is no session, or -2 if it has too many URIs.
 */
export const changeSession = script(`
local version = redis.call('HGET', KEYS[1], 'v')
if not version then return -1 end
if ARGV[1] == 'level' then
  if redis.call('HGET', KEYS[1], 'l') == ARGV[2] then return tonumber(version) end
  redis.call('HSET', KEYS[1], 'l', ARGV[2])
elseif ARGV[1] == 'addUri' then
  if redis.call('HEXISTS', KEYS[1], 'u:' .. ARGV[2]) == 1 then return tonumber(version) end
  if tonumber(redis.call('HGET', KEYS[1], 'n') or 0) >= tonumber(ARGV[3]) then return -2 end
  redis.call('HSET', KEYS[1], 'u:' .. ARGV[2], version)
  redis.call('HINCRBY', KEYS[1], 'n', 1)
else
  if redis.call('HDEL', KEYS[1], 'u:' .. ARGV[2]) == 0 then return tonumber(version) end
  redis.call('HINCRBY', KEYS[1], 'n', -1)
end
return redis.call('HINCRBY', KEYS[1], 'v', 1)
`)

/** Deletes a session. Key: the session. Returns its owner, if it existed. */
export const endSession = script(`
local owner = redis.call('HGET', KEYS[1], 'o')
redis.call('UNLINK', KEYS[1])
return owner
`)

/**
 * Adds an event to a stream. Keys: the events, the requests of the stream. Arguments: the number of the event
 * (`+inf`: the stream is complete), the event, how long to keep both. Does nothing if the stream has expired.
 * Events are sorted by number, because a repeated command may arrive after later ones.
 */
export const appendEvent = script(`
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
`)

/**
 * Reads a stream. Keys: the events, the requests of the stream. Argument: the number of an event. Returns the
 * requests and the later events, or false if this event does not exist or the next one has been deleted.
 */
export const readEvents = script(`
local about = redis.call('GET', KEYS[2])
if not about then return false end
local n = tonumber(ARGV[1])
if n > 0 and redis.call('ZCOUNT', KEYS[1], n, n + 1) == 0 then return false end
local reply = { about }
for _, text in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], n + 1, '+inf')) do reply[#reply + 1] = text end
return reply
`)
