/** Managed keys in memory: which are valid now, and which principal they prove. */
import { namesOf, type Named, rejected, type Rejected, type Verdict, type Verified } from '../principal/presented.js'
import { type KeyRecord, maySignIn, type SecretRecord } from './record.js'
import { shapeOf } from './format.js'
import { covers, createAddressReader, parseNetwork, type Networks } from '../net/networks.js'
import { proofOf } from '../principal/proof.js'
import { freezePrincipal, haveSameRights, type Principal } from '../principal/principal.js'

export interface PresentedKey {
  /** The key as it was sent. */
  readonly key: string
  /** Its SHA-256 in hex. */
  readonly digest: string
}

/** Names a key without holding it: its id, and which of its secrets was given. */
export interface KeyReference {
  readonly keyId: string
  /** When that secret was issued, in milliseconds since the epoch. Absent: the key was one of a list. */
  readonly issuedAt?: number | undefined
}

/** What becomes of a reference today. */
export interface Referred {
  readonly verdict: Verdict
  /** What people call the key. Left out where it has no name. */
  readonly name?: string
  /** Whether clients may be signed in with the key (OAuth). */
  readonly maySignIn: boolean
}

export interface KeyRing {
  /**
   * Judges a key sent from `address`, the `ip` of the request. The work is the same whatever the
   * reason to refuse is.
   */
  verify: (presented: PresentedKey, address: string) => Verdict
  /**
   * Whether the key that proved `principal` would still prove the same: not revoked, not disabled,
   * not over, with unchanged rights, and good for `address` where that is given. Judged by what the
   * principal says of itself, so that a copy of it with more on it falls with its key. A key of a list
   * is judged by what the ring says of it once it was taken over. True for every principal that is
   * none of the ring's, and for a signed-in client, which has rights of its own.
   */
  stillGood: (principal: Principal, address?: string) => boolean
  /**
   * The verdict on the key behind a reference as it is now, from whatever address: of a key that was revoked,
   * replaced or has expired it is a refusal. `undefined` where the ring does not know the key. Left out: it knows none.
   */
  current?: (reference: KeyReference) => Referred | undefined
  /** Told of each principal that a key let in, once all else about its request was good, too. Left out: nobody is. */
  noteUse?: (principal: Principal) => void
}

/** One secret of one key, ready to be judged. Times are in milliseconds; Infinity is never. */
interface Entry {
  readonly digest: string
  readonly verified: Verified
  /** For the log. */
  readonly names: Named
  readonly networks: Networks
  /** False where it may come from everywhere; its networks say nothing then. */
  readonly isHeld: boolean
  readonly endsAt: number
  readonly expiresAt: number
  readonly isRevoked: boolean
  readonly isDisabled: boolean
  readonly maySignIn: boolean
  readonly name: string
  readonly isReal: boolean
}

const unmanaged: Rejected = Object.freeze({ reason: 'the API key is unknown' })
const damaged: Rejected = Object.freeze({ reason: 'the API key is mistyped: its checksum is wrong' })

/** True where the verdict is that the key is not in the ring, in whatever state. */
export function isUnmanaged (verdict: Verdict): boolean {
  return verdict === unmanaged || verdict === damaged
}

/**
 * Looked up for keys that are held to no network: code that seldom runs is slow, and would tell them from
 * the others.
 */
const somewhere: Networks = ['192.0.2.0/24', '2001:db8::/32'].map(parseNetwork).filter(network => network !== undefined)

/** What an unknown key is judged as, so that it takes the time of a known one. */
const nobody: Entry = Object.freeze({
  digest: '',
  verified: { principal: freezePrincipal({ id: 'apikey:', role: 'user', scopes: [], method: 'api-key' }) },
  names: {},
  networks: somewhere,
  isHeld: false,
  endsAt: Infinity,
  expiresAt: Infinity,
  isRevoked: false,
  isDisabled: false,
  maySignIn: false,
  name: '',
  isReal: false
})

/** A ring that can be given other records while it is in use. */
export class ManagedKeys implements KeyRing {
  readonly #readAddress = createAddressReader()
  /** By the digest of the whole key: who knows a digest has no key, so its look-up gives nothing away. */
  #entries: ReadonlyMap<string, Entry> = new Map()
  /** By the id of the key. */
  #keys: ReadonlyMap<string, readonly Entry[]> = new Map()
  /** Of each record, one for each of its secrets. */
  readonly #made = new WeakMap<KeyRecord, readonly Entry[]>()
  /** The secret that each principal handed out came from: a short cut, which copies of it do not have. */
  readonly #origins = new WeakMap<Principal, Entry>()

  constructor (records: readonly KeyRecord[]) {
    this.replace(records)
  }

  /** Puts these in the place of all others. They are taken as sound; one that was there before keeps its entries. */
  replace (records: readonly KeyRecord[]): void {
    const entries = new Map<string, Entry>()
    const keys = new Map<string, readonly Entry[]>()
    for (const record of records) {
      const made = this.#entriesOf(record)
      keys.set(record.id, made)
      for (const entry of made) entries.set(entry.digest, entry)
    }
    this.#entries = entries
    this.#keys = keys
  }

  #entriesOf (record: KeyRecord): readonly Entry[] {
    const before = this.#made.get(record)
    if (before !== undefined) return before
    const made = record.secrets.map(secret => entryOf(record, secret))
    for (const entry of made) this.#origins.set(entry.verified.principal, entry)
    this.#made.set(record, made)
    return made
  }

  verify ({ key, digest }: PresentedKey, address: string): Verdict {
    if (shapeOf(key) === 'damaged') return damaged
    return this.#judge(this.#entries.get(digest) ?? nobody, address)
  }

  /** The id of the key that proved `principal`; `undefined` if the ring does not have that key. */
  keyIdOf (principal: Principal): string | undefined {
    return this.#origins.has(principal) ? principal.keyId : undefined
  }

  /** When the next of the keys and secrets ends, in milliseconds since the epoch; Infinity for never. */
  nextEnd (): number {
    const now = Date.now()
    let next = Infinity
    for (const { endsAt, expiresAt } of this.#entries.values()) {
      for (const end of [endsAt, expiresAt]) if (end > now && end < next) next = end
    }
    return next
  }

  current ({ keyId, issuedAt }: KeyReference): Referred | undefined {
    const secrets = this.#keys.get(keyId)
    if (secrets === undefined) return undefined
    const entry = secrets.find(one => mayProve(one, keyId, issuedAt)) ?? nobody
    return { verdict: this.#judge(entry, undefined), maySignIn: entry.maySignIn, name: entry.name }
  }

  stillGood (caller: Principal, address?: string): boolean {
    const principal = proofOf(caller)
    const { id, keyId, issuedAt, client } = principal
    if (keyId === undefined || client !== undefined || !isOfKey(id)) return true
    const secrets = this.#keys.get(keyId)
    // A listed key says nothing of its issue. It has no record until a file takes it over.
    if (secrets === undefined) return issuedAt === undefined
    const origin = this.#origins.get(principal)
    return secrets.some(entry => {
      if (!(origin === undefined ? mayProve(entry, keyId, issuedAt) : entry.digest === origin.digest)) return false
      const verdict = this.#judge(entry, address)
      return 'principal' in verdict && haveSameRights(verdict.principal, principal)
    })
  }

  /** Each question is answered before any is decided on: a thief must not learn by the clock what is wrong. */
  #judge (entry: Entry, address: string | undefined): Verdict {
    const now = Date.now()
    const isCovered = address === undefined || covers(entry.networks, this.#readAddress(address))
    const isReplaced = entry.endsAt <= now
    const isExpired = entry.expiresAt <= now
    if (!entry.isReal) return unmanaged
    if (entry.isRevoked) return rejected('the API key was revoked', entry.names)
    if (entry.isDisabled) return rejected('the API key is disabled', entry.names)
    if (isExpired) return rejected('the API key has expired', entry.names)
    if (isReplaced) return rejected('the secret of the API key was replaced', entry.names)
    if (isCovered || !entry.isHeld) return entry.verified
    return rejected('the API key is not allowed from this network', entry.names)
  }
}

function entryOf (record: KeyRecord, { digest, endsAt, createdAt }: SecretRecord): Entry {
  const ends = { endsAt: timeOf(endsAt), expiresAt: timeOf(record.expiresAt) }
  const end = Math.min(ends.endsAt, ends.expiresAt)
  const { id: keyId, owner: id, role, scopes, rateLimitMax, metadata } = record
  const principal = freezePrincipal({
    id,
    role,
    scopes,
    method: 'api-key',
    keyId,
    issuedAt: Date.parse(createdAt),
    ...(metadata === undefined ? {} : { attributes: metadata }),
    ...(end === Infinity ? {} : { expiresAt: end })
  })
  return {
    digest,
    names: namesOf(principal),
    verified: Object.freeze(rateLimitMax === undefined ? { principal } : { principal, rateLimitMax }),
    networks:
      record.cidrs.length === 0
        ? somewhere
        : record.cidrs.map(parseNetwork).filter(network => network !== undefined),
    isHeld: record.cidrs.length > 0,
    ...ends,
    isRevoked: record.revokedAt !== undefined,
    isDisabled: record.disabled,
    maySignIn: maySignIn(record),
    name: record.name,
    isReal: true
  }
}

/** True for the ids of API keys and their owners: an app may call its own keys what it likes. */
function isOfKey (id: string): boolean {
  return id.startsWith('apikey:') || id.startsWith('user:')
}

/**
 * True for the secret that was issued then. Without a time it is the one that a list held, whose digest
 * made the id of the key.
 */
function mayProve ({ digest, verified }: Entry, keyId: string, issuedAt: number | undefined): boolean {
  if (issuedAt !== undefined) return verified.principal.issuedAt === issuedAt
  return !/^[\da-f]{12}$/.test(keyId) || digest.startsWith(keyId)
}

function timeOf (text: string | undefined): number {
  return text === undefined ? Infinity : Date.parse(text)
}

/** The keys of `records` for somebody who comes from nowhere: networks are not looked at. */
export function keysFromAnywhere (records: readonly KeyRecord[]): ManagedKeys {
  return new ManagedKeys(records.map(record => ({ ...record, cidrs: [] })))
}
