/** The Lua scripts for sessions and their stream events. */
import { clock, script } from './link/scripts.js'

/**
 * Keys: all sessions, sessions of each owner counted, those of this owner. Arguments: owner, id, most of all, most of
 * an owner, idle time, life, the beginning of the keys of owners. Adds a session. Answers the ids of those that ended
 * for it: of an owner with too many the least recently used, of all that of an owner with most.
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

/** Keys: all sessions, those of an owner. Arguments: owner and id, life. Notes a use. */
export const noteUse = script(`${clock}
local t = now()
for i = 1, 2 do
  redis.call('ZADD', KEYS[i], 'XX', t, ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return 1
`)

/** Keys: all sessions, sessions of each owner counted, those of this owner. Arguments: owner, id. */
export const dismissSession = script(`
if redis.call('ZREM', KEYS[1], ARGV[1] .. ARGV[2]) == 0 then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1] .. ARGV[2])
if tonumber(redis.call('ZINCRBY', KEYS[2], -1, ARGV[1])) <= 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
return 1
`)

/** Key: a session. Arguments: idle time, then its fields and values. */
export const openSession = script(`${clock}
redis.call('HSET', KEYS[1], 't', tostring(now()), unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`)

/**
 * Key: a session. Arguments: owner (\`''\`: any), the version that is known, idle time, life, then the rights to add.
 * Answers 0 where there is none, 1 where nothing is new, or else the whole.
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
  -- More than one credential could have: the session is nobody's to resume.
  local right = redis.call('HLEN', KEYS[1]) < 700 and ARGV[i] or 'many'
  if redis.call('HSETNX', KEYS[1], right, 1) == 1 then isNew = true end
end
if isNew then version = redis.call('HINCRBY', KEYS[1], 'v', 1) end
redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(tonumber(ARGV[3]), left)))
if version == tonumber(ARGV[2]) then return 1 end
return redis.call('HGETALL', KEYS[1])
`)

/**
 * Key: a session. Arguments: what to change, its value, most URIs. Answers the new version, -1 where there
 * is no session, -2 where it is full.
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

/** Key: a session. Answers its owner where it was there. */
export const endSession = script(`
local owner = redis.call('HGET', KEYS[1], 'o')
redis.call('UNLINK', KEYS[1])
return owner
`)

/**
 * Keys: events of a stream, what it is about. Arguments: the number of an event (`+inf`: nothing is to come), the
 * event, how long to keep them. Nothing where the stream is forgotten. By number: a command that is sent again
 * arrives behind later ones.
 */
export const appendEvent = script(`
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
`)

/**
 * Keys: events of a stream, what it is about. Argument: a number. Answers what it is about, and the events
 * after that one; false where that one never was, or its successor is forgotten.
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
