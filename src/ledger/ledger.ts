/** The state: records which tokens were created here and which credentials were revoked. */
import { resolve } from 'node:path'
import { proofOf } from '../principal/proof.js'
import type { Target } from '../freeze/target.js'
import { tokenPrincipalId } from '../principal/principal.js'
import { StateError, prepareDirectory } from './file/directory.js'
import { Journal } from './file/journal.js'
import { LedgerIndex, type Revocable } from './index-in-memory.js'
import { LedgerListeners } from './listeners.js'
import { datedByRecord, lastIssueTo, mintedBy, pageOf, type TokenFilter, type TokenPage } from './minted-tokens.js'
import type { SharedRecords } from './shared-records.js'
import { Sharing } from './sharing.js'
import type { Author, Minted, Revocation, LedgerRecord, Switched } from './records.js'

export interface LedgerOptions {
  /** Created with mode 0700 if missing. Left out: the state is in memory and ends with the process. */
  readonly directory?: string | undefined
  /** Called with a sentence for the operator when the directory fails, and with `isGood` once it works. */
  readonly report?: (sentence: string, isGood: boolean) => void
  /** How far issuers' clocks may be ahead of ours, in milliseconds. Default 0. */
  readonly toleranceMs?: number
  /** Milliseconds between reads of what other processes wrote. Default 250. */
  readonly pollMs?: number
  /** The store shared with servers that use other directories. Left out: nothing is shared. */
  readonly share?: SharedRecords | undefined
}

/** The limit of tokens on record. It bounds how much memory a minter can make this process use. */
const maxMinted = 100_000
const sweepMs = 60_000

function tooManyMinted (): StateError {
  return new StateError(`${maxMinted} valid tokens are on record, which is the maximum: wait until some expire`)
}

export class Ledger {
  readonly #ledger: LedgerIndex
  readonly #listeners = new LedgerListeners()
  #sharing: Sharing | undefined
  readonly #report: (sentence: string, isGood: boolean) => void
  #journal: Journal | undefined
  #timer: NodeJS.Timeout | undefined
  #problem: string | undefined
  #sweptAt = performance.now()

  private constructor ({ report = () => {}, toleranceMs }: LedgerOptions) {
    this.#ledger = new LedgerIndex(toleranceMs)
    this.#report = report
  }

  /** Throws a `StateError` if the directory cannot be used or its journal is damaged. */
  static async open (options: LedgerOptions = {}): Promise<Ledger> {
    const state = new Ledger(options)
    const { directory, pollMs = 250, share } = options
    if (directory !== undefined) {
      const path = resolve(directory)
      prepareDirectory(path)
      state.#journal = await Journal.open({
        directory: path,
        ledger: state.#ledger,
        apply: record => { state.#applyWritten(record) }
      })
    }
    state.#poll(pollMs)
    if (share !== undefined) {
      state.#sharing = new Sharing(share, {
        holds: record => state.#ledger.holds(record),
        apply: record => { state.#apply(record) },
        live: () => state.#ledger.live(state.#ledger.nowMs),
        write: state.#journal === undefined ? undefined : async make => { await state.#write(make) }
      })
    }
    return state
  }

  /** Resolves once the records of other servers are applied; at once if nothing is shared. */
  async merged (): Promise<void> {
    await this.#sharing?.merged
  }

  /** True if the credential was revoked. Called for every request; answers from memory. */
  isRevoked (credential: Revocable): boolean {
    return this.#ledger.isRevoked(proofOf(credential))
  }

  stillGood (credential: Revocable): boolean {
    return !this.isRevoked(credential)
  }

  /** Calls `listener` after a revocation, here or in another process. Returns an unsubscriber. */
  onChange (listener: () => void): () => void {
    return this.#listeners.onRevoked(listener)
  }

  /** Calls `listener` with each unlocked address and the time. Returns an unsubscriber. */
  onUnlock (listener: (address: string, at: number) => void): () => void {
    return this.#listeners.onUnlocked(listener)
  }

  /** The freeze that applies to this caller, or to its call of `tool`. `undefined` if none applies. */
  frozenFor (principal: Revocable, tool?: string): Target | undefined {
    return this.#ledger.freezes.frozenFor(principal, tool)
  }

  /** All frozen targets, in the order in which they were frozen. */
  frozen (): readonly string[] {
    return this.#ledger.freezes.list()
  }

  /** Calls `listener` with each record that takes effect, from any process. Returns an unsubscriber. */
  onRecord (listener: (record: LedgerRecord) => void): () => void {
    return this.#listeners.onRecord(listener)
  }

  /** Freezes or thaws a target, in memory first. Throws a `StateError` if it cannot be written to disk. */
  async switch (kind: Switched['kind'], id: Target, by: Author): Promise<void> {
    // Must be later than the last record about the target, even if a clock that is ahead wrote that one.
    const at = Math.max(Date.now(), (this.#ledger.freezes.of(id)?.at ?? 0) + 1)
    const record: LedgerRecord = { kind, id, at, by }
    this.#apply(record)
    await this.#write(() => [record])
    await this.#sharing?.add([record])
  }

  /** Clears the failed attempts of an address (a key of the address limit) on every server of this state. */
  async unlockAddress (address: string, by: Author): Promise<void> {
    // Must be later than the last unlocking, even one by a clock that is ahead. Otherwise it is ignored.
    const at = Math.max(Date.now(), this.#ledger.unlockedAt(address) + 1)
    const record: LedgerRecord = { kind: 'address-unlocked', id: address, at, by }
    await this.#write(() => [record])
    await this.#sharing?.add([record])
  }

  /**
   * Puts a token on record. Hand the token out only afterwards. Resolves to false, and records nothing, if
   * `minter` is revoked. Throws a `StateError` if the record cannot be kept.
   */
  async mint (minted: Minted, minter?: Revocable): Promise<boolean> {
    let isRecorded = false
    if (this.#ledger.minted.size >= maxMinted) throw tooManyMinted()
    // The shared store comes first, because it knows whether another server revoked the minter.
    const dated = minter === undefined ? undefined : datedByRecord(this.#ledger.minted, minter)
    if (await this.#sharing?.add([minted], dated) === 'refused') return false
    await this.#write(() => {
      isRecorded = minter === undefined || !this.isRevoked(minter)
      if (this.#ledger.minted.size >= maxMinted) throw tooManyMinted()
      return isRecorded ? [minted] : []
    })
    return isRecorded
  }

  /**
   * Revokes the token with this `jti`, whether or not it is on record. `withMinted` also revokes the tokens
   * that were created with it, and so on. Resolves to all revoked ids. Takes effect before it is on disk.
   * Throws a `StateError` if it cannot be written to disk.
   */
  async revokeToken (id: string, by: Author, withMinted = false, until?: number): Promise<readonly string[]> {
    const isSeed = withMinted ? (author: Author) => author.tokenId === id : undefined
    return await this.#revoke(by, () => [this.#tokenRevocation(id, by, until)], isSeed)
  }

  /** Revokes the API key with this id permanently. Otherwise like `revokeToken`. */
  async revokeKey (id: string, by: Author, withMinted = false): Promise<readonly string[]> {
    return await this.#revoke(
      by,
      () => [{ kind: 'key-revoked', id, at: Date.now(), by }],
      withMinted ? author => author.keyId === id : undefined
    )
  }

  /**
   * Revokes all credentials issued to a principal (by its id) up to `before`, in milliseconds since the
   * epoch. Otherwise like `revokeToken`.
   */
  async revokeSubject (id: string, before: number, by: Author, withMinted = false): Promise<readonly string[]> {
    return await this.#revoke(
      by,
      () => [{ kind: 'subject-revoked', id, before, at: Date.now(), by }],
      withMinted ? author => author.principal === id : undefined
    )
  }

  /**
   * The time up to which `revokeSubject` has to revoke so that every credential issued so far is covered:
   * now, or later if a clock that was ahead issued a token on record.
   */
  lastIssueTo (id: string): number {
    return lastIssueTo(this.#ledger.minted, id)
  }

  /** True if this token on record was revoked, by its id or with its subject. */
  isRevokedToken ({ id: tokenId, subject, at }: Minted): boolean {
    return this.isRevoked({ id: tokenPrincipalId(subject), tokenId, issuedAt: at })
  }

  /** The record of a valid token. */
  find (id: string): Minted | undefined {
    return this.#ledger.minted.get(id)
  }

  /** Unexpired tokens on record, oldest first. `undefined` if the token `after` does not exist. */
  list (filter: TokenFilter = {}): TokenPage | undefined {
    return pageOf(this.#ledger.minted, filter)
  }

  /** Problems, as sentences for the operator. Empty if there are none. */
  problems (): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem]
  }

  async close (): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#sharing?.close()
    this.#listeners.clear()
    await this.#journal?.close()
  }

  /** Applies in memory at once, then again under the lock, which no minting can overlap. */
  async #revoke (
    by: Author,
    make: () => readonly Revocation[],
    isSeed: ((author: Author) => boolean) | undefined
  ): Promise<readonly string[]> {
    const all = (): Revocation[] => {
      const minted = isSeed === undefined ? [] : mintedBy(this.#ledger.minted, isSeed)
      return [...make(), ...minted.map(({ id }) => this.#tokenRevocation(id, by))]
    }
    let made = all()
    for (const record of made) this.#apply(record)
    const outcomes = await Promise.allSettled([
      this.#write(() => {
        made = all()
        return made
      }),
      this.#sharing?.addAll(all, isSeed !== undefined)
    ])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    made = all()
    return made.filter(({ kind }) => kind === 'token-revoked').map(({ id }) => id)
  }

  #tokenRevocation (id: string, by: Author, until?: number): Revocation {
    return { kind: 'token-revoked', id, until: this.find(id)?.expiresAt ?? until ?? null, at: Date.now(), by }
  }

  async #write (make: () => readonly LedgerRecord[]): Promise<void> {
    if (this.#journal === undefined) {
      for (const record of make()) this.#apply(record)
      return
    }
    try {
      await this.#journal.write(make)
      this.#note(undefined)
    } catch (error) {
      if (error instanceof StateError && error.cause !== undefined) this.#note(error.message)
      throw error
    }
  }

  #applyWritten (record: LedgerRecord): void {
    this.#sharing?.wasWritten(record)
    this.#apply(record)
  }

  #apply (record: LedgerRecord): void {
    if (this.#ledger.apply(record)) this.#listeners.tell(record)
  }

  #poll (pollMs: number): void {
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => { if (this.#timer !== undefined) this.#poll(pollMs) })
    }, pollMs).unref()
  }

  async #look (): Promise<void> {
    if (performance.now() - this.#sweptAt > sweepMs) {
      this.#sweptAt = performance.now()
      this.#ledger.sweep(this.#ledger.nowMs)
    }
    try {
      const isRestored = await this.#journal?.follow()
      if (isRestored === true) {
        this.#report('The state on disk was damaged or incomplete, and was rewritten from memory.', false)
      }
      this.#note(undefined)
    } catch (error) {
      this.#note(error instanceof Error ? error.message : 'The state cannot be read.')
    }
  }

  #note (problem: string | undefined): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.#report(problem ?? 'The state directory can be used again.', problem === undefined)
  }
}
