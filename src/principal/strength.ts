/** Checks the strength of secrets, and detects placeholders. */

/** Matched anywhere in the text: `my-change-me-key` is not secret either. */
const placeholder = /change[-_ ]?me|^(undefined|null|none|todo|secret|your[-_].*|<.*>)$/i

/** True for a well-known placeholder. */
export function isPlaceholder (text: string): boolean {
  return placeholder.test(text)
}

/** RFC 7518 §3.2: an HMAC key shorter than the hash weakens HS256. */
export const MIN_JWT_SECRET_BYTES = 32
export const MIN_API_KEY_CHARACTERS = 16

/** The advice for a weak secret. */
export const newSecret = 'create one with: openssl rand -hex 32'

/** True if an HMAC secret is too short to withstand an offline attack. */
export function isWeakSecret (text: string): boolean {
  return Buffer.byteLength(text) < MIN_JWT_SECRET_BYTES
}

export function isWeakKey (text: string): boolean {
  return text.length < MIN_API_KEY_CHARACTERS
}

export interface SecretsInUse {
  readonly apiKeys: readonly string[]
  /** The secrets that sign tokens, including previous ones. */
  readonly jwtSecrets: readonly string[]
  /** Accept short secrets. Placeholders are refused anyway. */
  readonly allowWeak: boolean
}

/**
 * For a host that does not use our settings: throws on weak secrets, naming their position, not their value.
 */
export function requireStrong ({ apiKeys, jwtSecrets, allowWeak }: SecretsInUse): void {
  const weak = `; ${newSecret}, or pass \`allowWeakSecrets\` if nobody else can reach the server`
  for (const [index, key] of apiKeys.entries()) {
    const which = `Entry ${index + 1} of \`apiKeys\` is`
    if (isPlaceholder(key)) throw new Error(`${which} a well-known placeholder; ${newSecret}`)
    if (!allowWeak && isWeakKey(key)) throw new Error(`${which} under ${MIN_API_KEY_CHARACTERS} characters${weak}`)
  }
  for (const secret of jwtSecrets) {
    if (isPlaceholder(secret)) throw new Error(`A JWT secret is a well-known placeholder; ${newSecret}`)
    if (!allowWeak && isWeakSecret(secret)) {
      throw new Error(`A JWT secret is under ${MIN_JWT_SECRET_BYTES} bytes${weak}`)
    }
    if (apiKeys.includes(secret)) {
      throw new Error('`apiKeys` contains a JWT secret; use different ones: anyone with that key could sign tokens')
    }
  }
}
