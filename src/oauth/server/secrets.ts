/** Derives the keys of the authorization server from the JWT secret, a separate one for each use. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** A derived key and its id. Keys of former secrets have other ids. */
export interface DerivedKey {
  readonly kid: string
  readonly key: Uint8Array
}

/** With a separate key for each use, a credential of one kind is never accepted as another. */
export interface ServerSecrets {
  /** Keys of access tokens. The first one signs, all verify. */
  readonly access: readonly [DerivedKey, ...DerivedKey[]]
  /** Encrypts `value` as JSON. Only `open` of this server with the same `purpose` can decrypt it. */
  readonly seal: (purpose: string, value: object) => string
  /** Decrypts a sealed value. `undefined` if `seal` did not create it for this `purpose`. */
  readonly open: (purpose: string, sealed: string) => unknown
  /** A MAC of `text` in base64url, 43 characters. */
  readonly mac: (purpose: string, text: string) => string
  /** Verifies a MAC with the current and the former secrets, in constant time. */
  readonly isMac: (purpose: string, text: string, mac: string) => boolean
}

/**
 * Derives the keys (RFC 5869). `secrets` are the current JWT secret, then former ones. `resource` is the URL
 * of the endpoint: it is part of `info`, so that another endpoint with the same secret does not accept these
 * credentials.
 */
export function deriveSecrets (secrets: readonly string[], resource: string): ServerSecrets {
  const derive = (use: string): Uint8Array[] =>
    secrets.map(
      secret =>
        new Uint8Array(hkdfSync('sha256', secret, '', `fastify-mcp-auth oauth ${use} ${resource}`, 32))
    )
  const [first, ...former] = derive('access').map(key => ({ kid: kidOf(key), key }))
  const sealing = derive('seal')
  const macs = derive('mac')
  if (first === undefined) {
    throw new TypeError(
      'The OAuth server needs a `jwtSecret`: its tokens are signed with a key derived from it'
    )
  }
  const macBy = (key: Uint8Array, purpose: string, text: string): string =>
    createHmac('sha256', key).update(`${purpose} ${text}`).digest('base64url')

  return {
    access: [first, ...former],
    seal: (purpose, value) => encrypt(sealing[0] ?? first.key, purpose, JSON.stringify(value)),
    open: (purpose, sealed) => {
      for (const key of sealing) {
        const text = decrypt(key, purpose, sealed)
        if (text !== undefined) return JSON.parse(text)
      }
      return undefined
    },
    mac: (purpose, text) => macBy(macs[0] ?? first.key, purpose, text),
    isMac: (purpose, text, mac) => {
      const actual = Buffer.from(mac)
      return macs.some(key => {
        const expected = Buffer.from(macBy(key, purpose, text))
        return actual.length === expected.length && timingSafeEqual(actual, expected)
      })
    }
  }
}

function kidOf (key: Uint8Array): string {
  return createHmac('sha256', key).update('kid').digest('base64url').slice(0, 11)
}

/** AES-256-GCM. The purpose is authenticated, too, so that a value cannot be opened for another purpose. */
function encrypt (key: Uint8Array, purpose: string, text: string): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(purpose))
  const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `v1.${sealed.toString('base64url')}`
}

function decrypt (key: Uint8Array, purpose: string, sealed: string): string | undefined {
  if (!/^v1\.[\w-]{40,}$/.test(sealed)) return undefined
  const bytes = Buffer.from(sealed.slice(3), 'base64url')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
      .setAAD(Buffer.from(purpose))
      .setAuthTag(bytes.subarray(-16))
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}
