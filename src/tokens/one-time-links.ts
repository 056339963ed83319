/** Tokens that wait for a one-time link, for minutes, encrypted with a key that only the link contains. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { isRecord } from '../lib/guards.js'
import { sha256 } from '../lib/sha256.js'
import type { Role } from '../principal/principal.js'
import { MemoryOneTimeStore, type OneTimeStore } from './one-time-store.js'

/** What is handed over. */
export interface Parcel {
  /** A credential. */
  readonly token: string
  readonly userId: string
  readonly role: Role
  /** When the token ends, RFC 3339. */
  readonly expiresAt: string
}

/** The token in a parcel, for who asks whether it is good still. */
export interface ParcelToken {
  /** The principal's id. */
  readonly id: string
  /** The `jti`. */
  readonly tokenId: string
  /** Milliseconds since the epoch. */
  readonly issuedAt: number
}

export interface OneTimeLinksOptions {
  /** Milliseconds that a token waits. Default 10 minutes. */
  readonly ttlMs?: number
  /** Where the parcels wait. In the memory of this process where left out. */
  readonly store?: OneTimeStore
  /** Asked when a parcel is fetched: what was revoked meanwhile is not handed over. Left out: nothing was. */
  readonly isRevoked?: (token: ParcelToken) => boolean
}

export interface Offer {
  /** Fetches the token, once. Begins like an API key, so that the log blots it out of URLs. */
  readonly code: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export class OneTimeLinks {
  readonly #ttlMs: number
  readonly #store: OneTimeStore
  readonly #isRevoked: (token: ParcelToken) => boolean

  constructor ({
    ttlMs = 10 * 60_000,
    store = new MemoryOneTimeStore(),
    isRevoked = () => false
  }: OneTimeLinksOptions = {}) {
    this.#ttlMs = ttlMs
    this.#store = store
    this.#isRevoked = isRevoked
  }

  /** True where too many wait. Rejects with a `NotSharedError` where nothing can be kept now. */
  async isFull (): Promise<boolean> {
    return await this.#store.isFull()
  }

  /** `undefined` where too many wait. Rejects with a `NotSharedError` where the parcel cannot be kept now. */
  async offer (parcel: Parcel, token?: ParcelToken): Promise<Offer | undefined> {
    const code = `mcp_claim_${randomBytes(32).toString('base64url')}`
    const expiresAt = Date.now() + this.#ttlMs
    const outcome = await this.#store.put(
      idOf(code),
      seal(code, JSON.stringify({ parcel, token })),
      this.#ttlMs
    )
    return outcome === 'put' ? { code, expiresAt } : undefined
  }

  /**
   * What waits under this code, which is spent then; `undefined` where nothing does that is good still. Rejects
   * with a `NotSharedError` where it cannot be fetched now; it waits on.
   */
  async claim (code: string): Promise<Parcel | undefined> {
    const sealed = await this.#store.take(idOf(code))
    const opened = sealed === undefined ? undefined : unseal(code, sealed)
    if (opened === undefined) return undefined
    return opened.token !== undefined && this.#isRevoked(opened.token) ? undefined : opened.parcel
  }

  close (): void {
    this.#store.close()
  }
}

/** Who sees the store, or its timing, learns nothing of a code. */
function idOf (code: string): string {
  return sha256(code)
}

/** AES-256-GCM under a key made of the code (HKDF, RFC 5869), which is in no store. */
function seal (code: string, text: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keyOf(code), nonce)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
}

function unseal (code: string, sealed: string): { parcel: Parcel, token?: ParcelToken } | undefined {
  try {
    const bytes = Buffer.from(sealed, 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', keyOf(code), bytes.subarray(0, 12)).setAuthTag(
      bytes.subarray(12, 28)
    )
    const opened: unknown = JSON.parse(
      Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
    )
    // Only who knew the code can have sealed it.
    return isRecord(opened) && isRecord(opened.parcel)
      ? (opened as unknown as { parcel: Parcel; token?: ParcelToken })
      : undefined
  } catch {
    return undefined
  }
}

function keyOf (code: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', code, '', 'fastify-mcp-auth one-time link', 32))
}
