/** The key ring: verifies managed keys in memory and returns their principals. */
import { namesOf, type Named, rejected, type Rejected, type Verdict, type Verified } from '../principal/presented.js'
import { type KeyRecord, maySignIn, type SecretRecord } from './record.js'
import { shapeOf } from './format.js'
import { covers, createAddressReader, parseNetwork, type Networks } from '../net/networks.js'
import { proofOf } from '../principal/proof.js'
import { freezePrincipal, haveSameRights, type Principal } from '../principal/principal.js'

export interface PresentedKey {
  /** The key as sent. */
  readonly key: string
  /** Its SHA-256 in hex. */
  readonly digest: string
}

/** A reference to a key and one of its secrets, without the secret itself. */
export interface KeyReference {
  readonly keyId: string
  /** When that secret was issued, in milliseconds since the epoch. Absent for keys from a list. */
  readonly issuedAt?: number | undefined
}

/** The current key behind a reference. */
export interface Referred {
  readonly verdict: Verdict
  /** The name of the key. Absent if it has none. */
  readonly name?: string
  /** Whether the key may sign in OAuth clients. */
  readonly maySignIn: boolean
}

export interface KeyRing {
  /** Verifies a key sent from `address` (`request.ip`). A refusal takes the same work for every reason. */
  verify: (presented: PresentedKey, address: string) => Verdict
  /**
   * True if the key behind `principal` still proves the same: not revoked, disabled or expired, with
   * unchanged rights, and allowed from `address` if that is given. Uses the ids on the principal, so that an
   * extended copy ends with its key. A listed key that was imported is judged by the ring. Also true for
   * principals that do not come from the ring, and for signed-in clients, which have their own rights.
   */
  stillGood: (principal: Principal, address?: string) => boolean
  /**
   * The current verdict on the key behind a reference, from any address: a refusal if the key was revoked or
   * replaced, or has expired. `undefined` if the ring does not know the key. Left out: it knows no keys.
   */
  current?: (reference: KeyReference) => Referred | undefined
  /** Called with the principal of a key once its request passed every check. Left out: nothing is called. */
  noteUse?: (principal: Principal) => void
}

/** One secret of a key, prepared for verification. Times are in milliseconds; Infinity means never. */
interface Entry {
  readonly digest: string
  readonly verified: Verified
  /** For the log. */
  readonly names: Named
  readonly networks: Networks
  /** False if the key may be used from everywhere; `networks` has no meaning then. */
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

/** True if the verdict says that the key is not in the ring, in any state. */
export function isUnmanaged (verdict: Verdict): boolean {
  return verdict === unmanaged || verdict === damaged
}

/**
 * Networks to check for keys without any. Otherwise the check would run rarely, thus slowly, and timing would
 * tell limited keys from others.
 */
const somewhere: Networks = ['192.0.2.0/24', '2001:db8::/32'].map(parseNetwork).filter(network => network !== undefined)

/** Verified in place of an unknown key, so that it takes the same time as a known one. */
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

/** A ring whose records can be replaced while it is in use. */
export class ManagedKeys implements KeyRing {
  readonly #readAddress = createAddressReader()
  /** By the digest of the whole key. Timing of the look-up is harmless: a digest does not reveal the key. */
  #entries: ReadonlyMap<string, Entry> = new Map()
  /** By the id of the key. */
  #keys: ReadonlyMap<string, readonly Entry[]> = new Map()
  /** The entries of each record, one per secret. */
  readonly #made = new WeakMap<KeyRecord, readonly Entry[]>()
  /** A cache of the entry behind each principal. Copies of a principal are not in it. */
  readonly #origins = new WeakMap<Principal, Entry>()

  constructor (records: readonly KeyRecord[]) {
    this.replace(records)
  }

  /** Replaces all records. They must be valid. Unchanged records keep their entries. */
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

  /** The id of the key behind `principal`. `undefined` if the ring does not have that key. */
  keyIdOf (principal: Principal): string | undefined {
    return this.#origins.has(principal) ? principal.keyId : undefined
  }

  /** When the next key or secret expires, in milliseconds since the epoch. Infinity: never. */
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
    // A listed key has no time of issue, and no record until it is imported into a key file.
    if (secrets === undefined) return issuedAt === undefined
    const origin = this.#origins.get(principal)
    return secrets.some(entry => {
      if (!(origin === undefined ? mayProve(entry, keyId, issuedAt) : entry.digest === origin.digest)) return false
      const verdict = this.#judge(entry, address)
      return 'principal' in verdict && haveSameRights(verdict.principal, principal)
    })
  }

  /** Evaluates every condition before it decides, so that timing does not reveal which one failed. */
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

/** True for the ids of API keys and their owners. Ids from `verifyKey` have other prefixes. */
function isOfKey (id: string): boolean {
  return id.startsWith('apikey:') || id.startsWith('user:')
}

/**
 * True for the secret that was issued at that time. Without a time, it is the secret from a list, whose
 * digest determines the id of the key.
 */
function mayProve ({ digest, verified }: Entry, keyId: string, issuedAt: number | undefined): boolean {
  if (issuedAt !== undefined) return verified.principal.issuedAt === issuedAt
  return !/^[\da-f]{12}$/.test(keyId) || digest.startsWith(keyId)
}

function timeOf (text: string | undefined): number {
  return text === undefined ? Infinity : Date.parse(text)
}

/** A ring of `records` without their networks, for callers that have no address. */
export function keysFromAnywhere (records: readonly KeyRecord[]): ManagedKeys {
  return new ManagedKeys(records.map(record => ({ ...record, cidrs: [] })))
}
