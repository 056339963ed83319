/** Setting types for several instances: Redis and workers. */
import { parseRedisUrl, RedisUrlError } from '../../redis/link/url.js'
import { text, type SettingType } from './basic.js'

/** A Redis URL in one of its forms. Secret, because it may contain a password. */
export function redisUrl (): SettingType<string> {
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

/** The prefix of every key. Braces are not allowed, because they determine the slots of a Cluster. */
export function keyPrefix (): SettingType<string> {
  return text((given, report) => {
    if (!/^[\w:./-]{1,64}$/.test(given)) {
      report(
        'is not a valid key prefix',
        'use 1 to 64 letters, digits and the characters : . / _ -, such as mcp:'
      )
    }
    return given
  })
}

const mostWorkers = 64

/** A number of processes, or `auto`, which is 0. */
export function workers (): SettingType<number> {
  const right = `use a whole number from 1 to ${mostWorkers}, or auto for one per core`
  return {
    parse (given, report) {
      if (given === 'auto') return 0
      const count = Number(given)
      if (!/^\d+$/.test(given) || count < 1 || count > mostWorkers) report('is not a number of processes', right)
      return count
    },
    unset: 1,
    schema: { type: 'integer', minimum: 0, maximum: mostWorkers }
  }
}
