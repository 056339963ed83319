/** Opens the managed keys, follows their file or store, counts them, and records each change as a decision. */
import type { FastifyInstance } from 'fastify'
import { KeyStore } from '../api-keys/followed-file.js'
import { SharedKeyStore } from '../api-keys/followed-source.js'
import { countKeys, nextExpiryDays } from '../api-keys/key-counts.js'
import type { FollowedKeys } from '../api-keys/key-source.js'
import { changesBetween } from '../api-keys/record-changes.js'
import { decisionsOf, measuresOf } from '../http/decisions.js'
import type { McpAuthOptions } from './options.js'
import type { Stores } from './stores.js'

/** Throws a `KeyFileError` if the file cannot be used. `undefined` without managed keys. */
export async function openKeys (
  scope: FastifyInstance,
  { apiKeysIn, apiKeysFile }: McpAuthOptions,
  stores: Stores
): Promise<FollowedKeys | undefined> {
  const keys = await followedKeys(
    scope,
    apiKeysIn === 'redis' ? undefined : apiKeysFile,
    apiKeysIn === 'redis' ? stores : {}
  )
  if (keys === undefined) return undefined
  measuresOf(scope).add('keys', () =>
    Object.entries(countKeys(keys.records, Date.now())).map(([state, count]) => [{ state }, count] as const)
  )
  measuresOf(scope).add('keys_next_expiry_days', () => nextExpiryDays(keys.records, Date.now()))
  let seen = keys.records
  keys.onChange(() => {
    const changes = changesBetween(seen, keys.records)
    seen = keys.records
    for (const {
      kind,
      record: { id: keyId, owner, role, scopes }
    } of changes) {
      decisionsOf(scope).note({
        kind,
        outcome: 'allowed',
        at: Date.now(),
        about: { keyId, owner, role, scopes }
      })
    }
  })
  scope.addHook('onClose', async () => {
    await keys.close()
  })
  return keys
}

async function followedKeys (
  { log }: FastifyInstance,
  path: string | undefined,
  { keySource: source, keyUsage: usage }: Partial<Stores>
): Promise<FollowedKeys | undefined> {
  if (path !== undefined) return await KeyStore.open({ path, log })
  return source === undefined || usage === undefined
    ? undefined
    : await SharedKeyStore.open({ source, usage, log })
}
