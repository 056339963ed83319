/** The managed keys that all instances share, kept up to date. */
import { NotSharedError } from '../fleet/bus.js'
import { KeyFollower, type FollowerOptions } from './follower.js'

export type SharedKeyStoreOptions = Omit<FollowerOptions, 'words'>

export class SharedKeyStore extends KeyFollower {
  /** Reads the keys and then follows changes. If they cannot be read, there are none until they can be. */
  static async open (options: SharedKeyStoreOptions): Promise<SharedKeyStore> {
    const store = new SharedKeyStore({
      ...options,
      words: {
        stale: 'The keys cannot be read: the last known keys still apply',
        again: 'the keys can be read again',
        unwritten: 'the last use of API keys cannot be written',
        problemOf: error => {
          const problem = error instanceof NotSharedError ? error.message : 'they are damaged, or from a later version'
          return { problem, fields: { problem } }
        }
      }
    })
    await store.begin(false)
    return store
  }
}
