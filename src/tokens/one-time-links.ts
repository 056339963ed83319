/** One-time links: tokens wait for minutes, encrypted with a key that only the link contains. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { isRecord } from '../lib/guards.js'
import { sha256 } from '../lib/sha256.js'
import type { Role } from '../principal/principal.js'
import { MemoryOneTimeStore, type OneTimeStore } from './one-time-store.js'

/** What the link delivers. */
export interface Parcel {
  /** The token itself. It is a credential. */
  readonly token: string
  readonly userId: string
  readonly role: Role
  /** When the token expires, in RFC 3339. */
  readonly expiresAt: string
}

/** Identifies the token in a parcel, to check whether it is still valid. */
export interface ParcelToken {
  /** The principal's id. */
  readonly id: string
  /** The `jti`. */
  readonly tokenId: string
  /** Milliseconds since the epoch. */
  readonly issuedAt: number
}

export interface OneTimeLinksOptions {
  /** How long a token waits, in milliseconds. Default 10 minutes. */
  readonly ttlMs?: number
  /** Where the parcels are stored. Default: in the memory of this process. */
  readonly store?: OneTimeStore
  /** Called when a parcel is fetched. A revoked token is not delivered. Left out: nothing is revoked. */
  readonly isRevoked?: (token: ParcelToken) => boolean
}

export interface Offer {
  /** The code that fetches the token, once. It begins like an API key, so that the log redacts it in URLs. */
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

  /** True if too many tokens are waiting. Rejects with a `NotSharedError` if the store cannot be reached. */
  async isFull (): Promise<boolean> {
    return await this.#store.isFull()
  }

  /** `undefined` if too many tokens wait. Rejects with a `NotSharedError` if the store cannot be reached. */
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
   * Fetches the parcel for this code, which is then spent. `undefined` if there is none, or its token is no
   * longer valid. Rejects with a `NotSharedError` if the store cannot be reached; the parcel then keeps
   * waiting.
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

/** A digest of the code: neither the store nor its timing reveals the code. */
function idOf (code: string): string {
  return sha256(code)
}

/** Encrypts with AES-256-GCM. The key is derived from the code (HKDF, RFC 5869), which is never stored. */
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
    // The authentication tag proves that it was sealed with this code.
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
