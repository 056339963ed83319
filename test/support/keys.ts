/** Creates key files and keys for tests. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createKey, type KeyOptions, type Shown } from '../../src/api-keys/changes.js'
import { changeKeyFile } from '../../src/api-keys/file.js'
import { formatKeyFile, type KeyRecord } from '../../src/api-keys/record.js'
import { credentialOfTests, witnessFiles } from './witness.js'

/** Creates a directory that is removed at the test's end. */
export async function directory (t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'keys-'))
  t.teardown(async () => {
    witnessFiles(path)
    await rm(path, { recursive: true, force: true })
  })
  return path
}

/** Writes a key file and returns its path. */
export async function keyFile (t: Test, records: readonly KeyRecord[] = []): Promise<string> {
  const path = join(await directory(t), 'api-keys.json')
  await writeFile(path, formatKeyFile(records), { mode: 0o600 })
  return path
}

/** Returns a new key and its record without writing a file. */
export function newKey (options: Partial<KeyOptions> = {}, now?: number): Shown {
  return declared(createKey([], { name: 'test', ...options }, now).result)
}

/** Adds a new key to the file. */
export async function addKey (path: string, options: Partial<KeyOptions> = {}): Promise<Shown> {
  return declared(
    await changeKeyFile(path, records => createKey(records, { name: 'test', ...options }), { create: true })
  )
}

function declared (shown: Shown): Shown {
  credentialOfTests(shown.key)
  return shown
}
