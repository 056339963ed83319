/** Opens the servers behind this one. */
import type { FastifyInstance } from 'fastify'
import { readLock } from '../upstreams/lock.js'
import { readUpstreams } from '../upstreams/options.js'
import type { Upstreams } from '../upstreams/upstreams.js'
import type { McpAuthOptions } from './options.js'

/** Connects to the servers behind this one; `undefined` where there are none. Throws an `UpstreamError`. */
export async function openUpstreams (
  scope: FastifyInstance,
  { upstreams }: McpAuthOptions
): Promise<Upstreams | undefined> {
  if (upstreams === undefined) return undefined
  const { environment, lockFile, maxResultBytes } = upstreams
  const checked = readUpstreams(upstreams, environment)
  // Not at the top: the client of the SDK is for those who have upstreams.
  const { Upstreams } = await import('../upstreams/upstreams.js')
  const lock = lockFile === undefined ? undefined : readLock(lockFile) ?? {}
  const opened = await Upstreams.open(checked, { log: scope.log, maxResultBytes, lock })
  scope.addHook('onClose', async () => { await opened.close() })
  return opened
}
