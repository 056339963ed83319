/** Which tokens were created here, and which credentials were revoked. */
import { resolve } from 'node:path'
import { proofOf } from '../principal/proof.js'
import type { Target } from '../freeze/target.js'
import { tokenPrincipalId } from '../principal/principal.js'
import { StateError, prepareDirectory } from './file/directory.js'
import { Journal } from './file/journal.js'
import { Ledger, type Revocable } from './index-in-memory.js'
import { StateListeners } from './listeners.js'
import { datedByRecord, lastIssueTo, mintedBy, pageOf, type TokenFilter, type TokenPage } from './minted-tokens.js'
import type { SharedRecords } from './shared-records.js'
import { Sharing } from './sharing.js'
import type { Author, Minted, Revocation, StateRecord, Switched } from './records.js'

export interface StateOptions {
  /** Made with mode 0700 where it is missing. Left out: all is in memory, and ends with the process. */
  readonly directory?: string | undefined
  /** Told, in a sentence for the operator, of what went wrong with the directory, and with `isGood` of its end. */
  readonly report?: (sentence: string, isGood: boolean) => void
  /** How far the clocks of issuers may be ahead of ours, in milliseconds. Default 0. */
  readonly toleranceMs?: number
  /** Milliseconds between looks at what other processes wrote. Default 250. */
  readonly pollMs?: number
  /** What servers with other directories share with this one. Left out: nothing is shared. */
  readonly share?: SharedRecords | undefined
}

/** Beyond this nothing is minted: it bounds what a minter can make this process remember. */
const maxMinted = 100_000
const sweepMs = 60_000

function tooManyMinted (): StateError {
  return new StateError(`${maxMinted} valid tokens are on record, which is the maximum: wait until some expire`)
}

export class State {
  readonly #ledger: Ledger
  readonly #listeners = new StateListeners()
  #sharing: Sharing | undefined
  readonly #report: (sentence: string, isGood: boolean) => void
  #journal: Journal | undefined
  #timer: NodeJS.Timeout | undefined
  #problem: string | undefined
  #sweptAt = performance.now()

  private constructor ({ report = () => {}, toleranceMs }: StateOptions) {
    this.#ledger = new Ledger(toleranceMs)
    this.#report = report
  }

  /** Throws a `StateError` where the directory can't be used, or what it holds is damaged. */
  static async open (options: StateOptions = {}): Promise<State> {
    const state = new State(options)
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

  /** Resolves once what other servers share is in. At once where nothing is shared. */
  async merged (): Promise<void> {
    await this.#sharing?.merged
  }

  /** True where the credential was revoked. In memory, for every request. */
  isRevoked (credential: Revocable): boolean {
    return this.#ledger.isRevoked(proofOf(credential))
  }

  stillGood (credential: Revocable): boolean {
    return !this.isRevoked(credential)
  }

  /** Calls `listener` after something was revoked, here or by another process. Returns how to end that. */
  onChange (listener: () => void): () => void {
    return this.#listeners.onRevoked(listener)
  }

  /** Calls `listener` with each address that is unlocked, and when it was. Returns how to end that. */
  onUnlock (listener: (address: string, at: number) => void): () => void {
    return this.#listeners.onUnlocked(listener)
  }

  /** What switches off a call of `tool` by this caller, or the caller; `undefined` where nothing does. */
  frozenFor (principal: Revocable, tool?: string): Target | undefined {
    return this.#ledger.freezes.frozenFor(principal, tool)
  }

  /** What is switched off, in the order in which it was. */
  frozen (): readonly string[] {
    return this.#ledger.freezes.list()
  }

  /** Calls `listener` with each record after it takes effect, here or by another process. Returns how to end that. */
  onRecord (listener: (record: StateRecord) => void): () => void {
    return this.#listeners.onRecord(listener)
  }

  /**
   * Switches a target off, or on again. In force before it is on disk; throws a `StateError` where it does
   * not get there.
   */
  async switch (kind: Switched['kind'], id: Target, by: Author): Promise<void> {
    // Later than the last word on it, also where that is of a clock that is ahead.
    const at = Math.max(Date.now(), (this.#ledger.freezes.of(id)?.at ?? 0) + 1)
    const record: StateRecord = { kind, id, at, by }
    this.#apply(record)
    await this.#write(() => [record])
    await this.#sharing?.add([record])
  }

  /** Forgets what failed from an address, named as the limit names it, on every server of this state. */
  async unlockAddress (address: string, by: Author): Promise<void> {
    // Later than the last one, also where that is of a clock that is ahead: it would say nothing new.
    const at = Math.max(Date.now(), this.#ledger.unlockedAt(address) + 1)
    const record: StateRecord = { kind: 'address-unlocked', id: address, at, by }
    await this.#write(() => [record])
    await this.#sharing?.add([record])
  }

  /**
   * Puts a token on record; hand it out only afterwards. False, and nothing is on record, where
   * `minter` is revoked. Throws a `StateError` where it can't be kept.
   */
  async mint (minted: Minted, minter?: Revocable): Promise<boolean> {
    let isRecorded = false
    if (this.#ledger.minted.size >= maxMinted) throw tooManyMinted()
    // First where a revocation of the minter by another server counts.
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
   * Revokes the token with this `jti`, on record or not; with `withMinted` those, too, that were
   * minted with it, and so on. Resolves to the ids of all. Takes effect before it is on disk, and
   * throws a `StateError` where it does not get there.
   */
  async revokeToken (id: string, by: Author, withMinted = false, until?: number): Promise<readonly string[]> {
    const isSeed = withMinted ? (author: Author) => author.tokenId === id : undefined
    return await this.#revoke(by, () => [this.#tokenRevocation(id, by, until)], isSeed)
  }

  /** Revokes the API key with this id, for good. Otherwise as `revokeToken`. */
  async revokeKey (id: string, by: Author, withMinted = false): Promise<readonly string[]> {
    return await this.#revoke(
      by,
      () => [{ kind: 'key-revoked', id, at: Date.now(), by }],
      withMinted ? author => author.keyId === id : undefined
    )
  }

  /**
   * Revokes all that was issued to a principal (by its id) up to `before`, in milliseconds since the epoch.
   * Otherwise as `revokeToken`.
   */
  async revokeSubject (id: string, before: number, by: Author, withMinted = false): Promise<readonly string[]> {
    return await this.#revoke(
      by,
      () => [{ kind: 'subject-revoked', id, before, at: Date.now(), by }],
      withMinted ? author => author.principal === id : undefined
    )
  }

  /**
   * Up to when "all that was issued" to a principal goes: now, or later where a token on record is of a
   * clock that was ahead.
   */
  lastIssueTo (id: string): number {
    return lastIssueTo(this.#ledger.minted, id)
  }

  /** True where this token on record was revoked: by its id, or with its subject. */
  isRevokedToken ({ id: tokenId, subject, at }: Minted): boolean {
    return this.isRevoked({ id: tokenPrincipalId(subject), tokenId, issuedAt: at })
  }

  /** The token's record, while it is good. */
  find (id: string): Minted | undefined {
    return this.#ledger.minted.get(id)
  }

  /** Tokens on record that have not expired, the oldest first. `undefined` where there is no token `after`. */
  list (filter: TokenFilter = {}): TokenPage | undefined {
    return pageOf(this.#ledger.minted, filter)
  }

  /** Sentences for the operator; none where all is well. */
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

  /** At once in memory; and again under the lock, when no minting is under way whose token could be missed. */
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

  async #write (make: () => readonly StateRecord[]): Promise<void> {
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

  #applyWritten (record: StateRecord): void {
    this.#sharing?.wasWritten(record)
    this.#apply(record)
  }

  #apply (record: StateRecord): void {
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
