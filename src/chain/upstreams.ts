/** Opens the upstream servers. */
import type { FastifyInstance } from 'fastify'
import { readLock } from '../upstreams/lock.js'
import { readUpstreams } from '../upstreams/options.js'
import type { Upstreams } from '../upstreams/upstreams.js'
import type { McpAuthOptions } from './options.js'

/** Connects to the upstream servers; `undefined` without any. Throws an `UpstreamError`. */
export async function openUpstreams (
  scope: FastifyInstance,
  { upstreams }: McpAuthOptions
): Promise<Upstreams | undefined> {
  if (upstreams === undefined) return undefined
  const { environment, lockFile, maxResultBytes } = upstreams
  const checked = readUpstreams(upstreams, environment)
  // A dynamic import: only servers with upstreams need the SDK's client.
  const { Upstreams } = await import('../upstreams/upstreams.js')
  const lock = lockFile === undefined ? undefined : readLock(lockFile) ?? {}
  const opened = await Upstreams.open(checked, { log: scope.log, maxResultBytes, lock })
  scope.addHook('onClose', async () => { await opened.close() })
  return opened
}
