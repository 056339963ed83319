/** A client that signed in with a managed key, and functions that change the key. */
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type KeyOptions } from '../../src/api-keys/changes.js'
import { defineTool } from '../../src/tools/tool.js'
import { addKey, keyFile } from './keys.js'
import { logSink } from './log-sink.js'
import { signInService } from './sign-in.js'
import { until } from './until.js'

interface Shared {
  readonly app: FastifyInstance
  readonly path: string
  readonly key: string
  readonly id: string
  readonly changed: () => Promise<void>
}

export const roomy = { PREAUTH_RATE_LIMIT_MAX: '100000', RATE_LIMIT_MAX: '100000' }
const forAdmins = defineTool({ name: 'for-admins', access: { roles: ['admin'] }, handler: () => 'yes' })
export const forReaders = defineTool({ name: 'for-readers', access: { scopes: ['files:read'] }, handler: () => 'yes' })

export async function withKey (t: Test, options: Partial<KeyOptions> = {}): Promise<Shared> {
  const path = await keyFile(t)
  const { key, record } = await addKey(path, { owner: 'ada', scopes: ['files:read'], ...options })
  const log = logSink()
  const app = await signInService(t, {
    env: { ...roomy, API_KEYS_FILE: path },
    tools: [forAdmins, forReaders],
    logStream: log
  })
  /** Waits until the server has read the changed file. */
  const changed = async (): Promise<void> => {
    await until(() => log.lines().filter(({ msg }) => msg === 'API keys read').length > 1)
  }
  return { app, path, key, id: record.id, changed }
}
