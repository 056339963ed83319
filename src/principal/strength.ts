/** Checks the strength of secrets, and detects placeholders. */

/** Found anywhere: `my-change-me-key` is public, too. */
const placeholder = /change[-_ ]?me|^(undefined|null|none|todo|secret|your[-_].*|<.*>)$/i

/** True for a text that everybody knows. */
export function isPlaceholder (text: string): boolean {
  return placeholder.test(text)
}

/** Below this an HMAC key is the weakest part of HS256 (RFC 7518 §3.2). */
export const MIN_JWT_SECRET_BYTES = 32
export const MIN_API_KEY_CHARACTERS = 16

/** What to do about a secret that is not strong. */
export const newSecret = 'create one with: openssl rand -hex 32'

/** Whether an HMAC secret is too short to withstand guessing offline. */
export function isWeakSecret (text: string): boolean {
  return Buffer.byteLength(text) < MIN_JWT_SECRET_BYTES
}

export function isWeakKey (text: string): boolean {
  return text.length < MIN_API_KEY_CHARACTERS
}

export interface SecretsInUse {
  readonly apiKeys: readonly string[]
  /** The secrets that sign tokens, those of before included. */
  readonly jwtSecrets: readonly string[]
  /** Let short ones pass; placeholders never do. */
  readonly allowWeak: boolean
}

/** For a host without our environment: throws on secrets that could be guessed. Says which, and nothing of any. */
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
      throw new Error('`apiKeys` contains a JWT secret; use different ones: anybody with that key could sign tokens')
    }
  }
}
