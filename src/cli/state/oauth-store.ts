/** Opens the store of the authorization server for a command, as configured in the settings. */
import { join } from 'node:path'
import type { Ledger } from '../../ledger/ledger.js'
import { documentsInFiles } from '../../oauth/server/documents/in-files.js'
import type { Documents } from '../../oauth/server/documents/documents.js'
import { RedisDocuments } from '../../redis/documents.js'
import { hasFleet, withFleet } from './fleet.js'
import { settingsAt } from './settings.js'
import { withState } from './ledger.js'
import type { Terminal } from '../terminal/terminal.js'

export interface OAuthStore {
  readonly documents: Documents
  readonly state: Ledger
  /** The lifetime of access tokens, in milliseconds. */
  readonly accessTtlMs: number
}

/** Runs `work` with the store in Redis, if it is configured, or in the state directory, which must exist. */
export async function withOAuthStore (terminal: Terminal, work: (store: OAuthStore) => Promise<void>): Promise<void> {
  const accessTtlMs = settingsAt(terminal).config.OAUTH_ACCESS_TTL * 1000
  await withState(terminal, async (state, directory) => {
    if (hasFleet(terminal)) {
      await withFleet(terminal, async shared => {
        await work({ documents: new RedisDocuments(shared), state, accessTtlMs })
      })
      return
    }
    const documents = documentsInFiles({ directory: join(directory, 'oauth') })
    try {
      await work({ documents, state, accessTtlMs })
    } finally {
      await documents.close()
    }
  })
}
