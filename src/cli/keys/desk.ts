/** Shared by the `keys` commands: finds and changes the keys, and prints the results. */
import { resolve } from 'node:path'
import type { Shown } from '../../api-keys/changes.js'
import { changesBetween, type KeyChange } from '../../api-keys/record-changes.js'
import type { KeyRecord } from '../../api-keys/record.js'
import { readUsage, usagePath, type LastUsed } from '../../api-keys/last-use.js'
import type { Revocable } from '../../ledger/index-in-memory.js'
import { keySheet, keyTable, viewOf } from './views.js'
import { asOwnerOf } from '../../lib/path-owner.js'
import { type Changed, type ChangeOptions, changeKeyFile, readKeyFile, readKeyFileIfAny } from '../../api-keys/file.js'
import { OperatorError } from '../../lib/operator-error.js'
import { readSecret } from '../terminal/secret-input.js'
import { settingsAt, settingsWith } from '../state/settings.js'
import { withFleet } from '../state/fleet.js'
import { recordChanges } from '../state/audit.js'
import { revocationsOf } from '../state/ledger.js'
import { RedisKeySource, RedisUsageStore } from '../../redis/api-keys.js'
import type { Terminal } from '../terminal/terminal.js'

export const defaultFile = 'api-keys.json'

/** The options of all `keys` commands. */
export interface FileArguments {
  readonly file?: string
  readonly json?: boolean
}

export interface KeyFilePlace {
  readonly path: string
  /** `undefined` if the last uses cannot be read. */
  readonly lastUsed: LastUsed | undefined
  /** True for a key that was revoked with `tokens`. These revocations are not in the key file. */
  readonly isRevoked: (credential: Revocable) => boolean
  /** True if neither `--file` nor `API_KEYS_FILE` is set. */
  readonly isDefault: boolean
  /** True if the keys are in Redis. `path` is then a description. */
  readonly isShared: boolean
}

export class KeyDesk {
  readonly #terminal: Terminal

  constructor (terminal: Terminal) {
    this.#terminal = terminal
  }

  async place ({ file }: FileArguments): Promise<KeyFilePlace> {
    // Checked before the state is read, so that an invalid setting is reported without a warning about the
    // state.
    const isShared = file === undefined && this.#isShared()
    const set = isShared
      ? undefined
      : (file ?? settingsWith('API_KEYS_FILE', this.#terminal).config.API_KEYS_FILE)
    const isRevoked = await revocationsOf(this.#terminal)
    if (isShared) {
      const lastUsed = await withFleet(this.#terminal, async link => await new RedisUsageStore(link).read())
      return { path: 'Redis (REDIS_URL)', lastUsed, isRevoked, isDefault: false, isShared: true }
    }
    const path = resolve(this.#terminal.directory, set ?? defaultFile)
    const lastUsed = await asOwnerOf(path, () => readUsage(usagePath(path)))
    return { path, lastUsed, isRevoked, isDefault: set === undefined, isShared: false }
  }

  #isShared (): boolean {
    return settingsWith('API_KEYS_IN', this.#terminal).config.API_KEYS_IN === 'redis'
  }

  /** Reads the keys. With `mayBeMissing`, a missing file counts as empty. */
  async read ({ path, isShared }: KeyFilePlace, { mayBeMissing = false } = {}): Promise<readonly KeyRecord[]> {
    if (isShared) {
      return await withFleet(this.#terminal, async link => (await new RedisKeySource(link).read()).records)
    }
    return await asOwnerOf(path, () => (mayBeMissing ? readKeyFileIfAny(path) : readKeyFile(path)))
  }

  /** Like `changeKeyFile`, for files and Redis. Also records the changes in the audit. */
  async change<T>(
    { path, isShared }: KeyFilePlace,
    change: (records: readonly KeyRecord[]) => Changed<T>,
    options: ChangeOptions = {}
  ): Promise<T> {
    let changes: readonly KeyChange[] = []
    // `change` may run several times. The last run counts.
    const compared = (records: readonly KeyRecord[]): Changed<T> => {
      const changed = change(records)
      changes = changesBetween(records, changed.records)
      return changed
    }
    const result = isShared
      ? await withFleet(this.#terminal, async link => await new RedisKeySource(link).change(compared))
      : await asOwnerOf(path, () => changeKeyFile(path, compared, options))
    await recordChanges(this.#terminal, changes.map(({ kind, record: { id: keyId, owner, role, scopes } }) =>
      ({ kind, keyId, about: { owner, role, scopes } })))
    return result
  }

  /** Prints the key to stdout and remarks to stderr, so that the output can be piped. */
  async hand (
    { record, key }: Shown,
    { json = false }: FileArguments,
    remarks: readonly string[]
  ): Promise<void> {
    const { id, ...rest } = viewOf(record)
    const isShown = await this.#terminal.show(json ? JSON.stringify({ id, key, ...rest }, null, 2) : key)
    if (!isShown) {
      throw new OperatorError(
        `The secret of key ${id} is valid but could not be shown: replace it with keys rotate ` +
          `${id} --grace 0`
      )
    }
    if (!json) for (const remark of remarks) this.#terminal.complain(remark)
  }

  list (records: readonly KeyRecord[], place: KeyFilePlace, { json = false }: FileArguments): void {
    const views = records.map(record => viewOf(record, place))
    if (json) this.#printJson(views)
    else this.#terminal.print(keyTable(views))
  }

  show (record: KeyRecord, place: KeyFilePlace, { json = false }: FileArguments): void {
    const view = viewOf(record, place)
    if (json) this.#printJson(view)
    else this.#terminal.print(keySheet(view))
  }

  answer (sentence: string, value: unknown, { json = false }: FileArguments): void {
    if (json) this.#printJson(value)
    else this.#terminal.print(sentence)
  }

  /** Reads a key from a pipe, or from the terminal without echo. */
  async secret (): Promise<string> {
    return await (this.#terminal.readSecret ?? readSecret)('API key: ')
  }

  /** Prints a remark to stderr, also with `--json`. */
  remark (sentence: string): void {
    this.#terminal.complain(sentence)
  }

  /** The keys of `API_KEYS`. Empty if it is not set. Throws a `ConfigError` if it is not valid. */
  configuredKeys (): readonly string[] {
    const { sources, problems } = settingsAt(this.#terminal)
    const isUnset = sources.API_KEYS === 'default' && !problems.some(({ variable }) => variable === '.env')
    return isUnset ? [] : settingsWith('API_KEYS', this.#terminal).config.API_KEYS
  }

  /** The signing secrets of the server, as far as they are known here. */
  signingSecrets (): readonly string[] {
    const { JWT_SECRET, JWT_SECRET_PREVIOUS, REQUEST_STATE_KEY, AUDIT_KEY } = settingsAt(this.#terminal).config
    return [JWT_SECRET, ...JWT_SECRET_PREVIOUS, REQUEST_STATE_KEY, AUDIT_KEY].filter(secret => secret !== undefined)
  }

  #printJson (value: unknown): void {
    this.#terminal.print(JSON.stringify(value, null, 2))
  }
}
