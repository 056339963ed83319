/** Reads the current tool definitions of all upstreams, for the lock file. */
import { Connection } from './connection.js'
import { listsOf } from './lists.js'
import { adviceFor, reasonOf, redactorOf } from './log-text.js'
import { digestOf, type Lock, pinnedOf } from './lock.js'
import { type Upstream, UpstreamError } from './options.js'

const silent = { line: () => {}, odd: () => {}, changed: () => {}, updated: () => {}, lost: () => {} }
const maxResultBytes = 8 * 1024 * 1024

/** Starts and ends each upstream once. Rejects with an `UpstreamError` if one is unavailable. */
export async function offeredBy (upstreams: readonly Upstream[]): Promise<Lock> {
  return Object.fromEntries(
    await Promise.all(upstreams.map(async upstream => [upstream.name, await toolsOf(upstream)] as const))
  )
}

async function toolsOf (upstream: Upstream): Promise<Lock[string]> {
  const connection = new Connection({ upstream, maxResultBytes }, silent)
  try {
    await connection.open()
    const { tools } = await connection.use(async client =>
      await listsOf(client, { timeoutMs: upstream.startTimeoutMs, maxBytes: maxResultBytes })
    )
    return Object.fromEntries(tools.map(tool => {
      const definition = pinnedOf(tool)
      return [tool.name, { digest: digestOf(definition), definition }]
    }))
  } catch (error) {
    const reason = redactorOf(upstream)(reasonOf(error))
    throw new UpstreamError(
      `Upstream ${JSON.stringify(upstream.name)} cannot list its items: ${reason}. ${adviceFor(reason)}`,
      undefined,
      { cause: error }
    )
  } finally {
    await connection.close()
  }
}
