/** The managed keys of a key file, kept up to date. */
import { KeyFileError } from './file.js'
import { KeyFollower, type StoreLog } from './follower.js'
import { KeyFileSource } from './key-file-source.js'
import { usageInFile, usagePath } from './last-use.js'

export interface KeyStoreOptions {
  /** The key file. It must exist. */
  readonly path: string
  readonly log: StoreLog
  /** Milliseconds between checks for changes. Default 200. */
  readonly pollMs?: number
}

export class KeyStore extends KeyFollower {
  /** Reads the file and then follows its changes. Rejects with a `KeyFileError` if it cannot be used. */
  static async open ({ path, log, pollMs = 200 }: KeyStoreOptions): Promise<KeyStore> {
    const store = new KeyStore({
      source: new KeyFileSource({ path, pollMs, onDanger: danger => { log.warn({ file: path }, danger) } }),
      usage: usageInFile(usagePath(path)),
      log,
      lookMs: pollMs,
      words: {
        stale: 'The key file cannot be used: the last known keys still apply',
        again: 'the key file can be used again',
        unwritten: 'the last use of API keys cannot be written next to the key file',
        problemOf: error => {
          if (!(error instanceof KeyFileError)) return { problem: 'cannot be read', fields: { file: path, err: error } }
          const problem = `${error.wrong}; ${error.right}`
          return { problem, fields: { file: path, problem } }
        }
      }
    })
    await store.begin(true)
    return store
  }
}
