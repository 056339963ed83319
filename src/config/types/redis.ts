/** The kinds of settings about Redis. */
import { parseRedisUrl, RedisUrlError } from '../../redis/url.js'
import { text, type Kind } from './basic.js'

/** A URL of Redis in one of its forms, kept as written: it holds a password. */
export function redisUrl (): Kind<string> {
  return text((given, report) => {
    try {
      parseRedisUrl(given)
    } catch (error) {
      if (!(error instanceof RedisUrlError)) throw error
      report(error.wrong, error.right)
    }
    return given
  })
}

/** In front of every key. Braces would decide over slots of a Cluster. */
export function keyPrefix (): Kind<string> {
  return text((given, report) => {
    if (!/^[\w:./-]{1,64}$/.test(given)) report('is not a prefix of keys', 'use 1 to 64 letters, digits and the characters : . / _ -, such as mcp:')
    return given
  })
}
