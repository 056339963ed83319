/** One instance of a fleet without its server: the link, the bus and the stores. */
import type { Test } from 'tap'
import { RedisBus } from '../../src/redis/bus.js'
import { createClients } from '../../src/redis/link/client.js'
import { RedisKeys } from '../../src/redis/link/keys.js'
import { Link } from '../../src/redis/link/link.js'
import { until } from './until.js'

export interface Instance {
  readonly link: Link
  readonly keys: RedisKeys
  readonly bus: RedisBus
}

/** Connects an instance, closed at the test's end. Its default deadlines suffice on a busy machine. */
export async function redisInstance (
  t: Test,
  url: string,
  { prefix = 'test:', timeoutMs = 60_000, leaseMs = 600_000 } = {}
): Promise<Instance> {
  const { commands, reader } = createClients(url, timeoutMs)
  const keys = new RedisKeys(prefix)
  // A slow command or a late heartbeat must not count as a failure.
  const link = new Link({ client: commands, keys, timeoutMs, leaseMs })
  const bus = new RedisBus({ link, keys, reader })
  t.teardown(async () => {
    await bus.close()
    await link.close()
  })
  link.start()
  await until(() => link.isUp)
  return { link, keys, bus }
}
