/** The kinds of settings that are secrets, and how strong one has to be. */
import { isPlaceholder } from '../../principal/strength.js'
import { splitList, text, type Kind, type Report } from './basic.js'

/** Below this an HMAC key is the weakest part of HS256 (RFC 7518 §3.2). */
export const MIN_JWT_SECRET_BYTES = 32
export const MIN_API_KEY_CHARACTERS = 16
const MIN_REQUEST_STATE_KEY_CHARACTERS = 32

const newSecret = 'create one with: openssl rand -hex 32'

/** A secret of one piece. Its strength depends on where it is used, so it is not judged here. */
export function secret (): Kind<string> {
  return text((given, report) => {
    if (isPlaceholder(given)) report('is a placeholder that everybody knows', newSecret)
    return given
  })
}

/** A secret of one piece that is strong wherever it is used. */
export function strongSecret (): Kind<string> {
  const kind = secret()
  return {
    ...kind,
    parse (text, report) {
      if (!isPlaceholder(text) && text.length < MIN_REQUEST_STATE_KEY_CHARACTERS) report(`is under ${MIN_REQUEST_STATE_KEY_CHARACTERS} characters`, newSecret)
      return kind.parse(text, report)
    }
  }
}

/** API keys between commas, each trimmed; empty ones are ignored. */
export function secretList (): Kind<readonly string[]> {
  return secrets((key, report) => {
    if (!/^[\x21-\x7e]+$/.test(key)) report('holds a character that a header cannot carry', 'use letters, digits and punctuation without spaces')
  })
}

/** Secrets of any characters but the comma, each trimmed; empty ones are ignored. */
export function formerSecrets (): Kind<readonly string[]> {
  return secrets(() => {})
}

function secrets (judge: (entry: string, report: Report) => void): Kind<readonly string[]> {
  return {
    parse (text, report) {
      const entries = splitList(text)
      const seen = new Map<string, number>()
      for (const [index, entry] of entries.entries()) {
        const place = entries.length === 1 ? '' : `entry ${index + 1} `
        const first = seen.get(entry)
        seen.set(entry, first ?? index)
        if (isPlaceholder(entry)) report(`${place}is a placeholder that everybody knows`, newSecret)
        else if (first !== undefined) report(`${place}is the same as entry ${first + 1}`, 'list each once')
        else judge(entry, (wrong, right) => { report(place + wrong, right) })
      }
      return entries
    },
    unset: [],
    schema: { type: 'array', items: { type: 'string', minLength: 1 } }
  }
}

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
  const weak = `; ${newSecret}, or pass \`allowWeakSecrets\` where nobody else can reach the server`
  for (const [index, key] of apiKeys.entries()) {
    const which = `Entry ${index + 1} of \`apiKeys\` is`
    if (isPlaceholder(key)) throw new Error(`${which} a placeholder that everybody knows; ${newSecret}`)
    if (!allowWeak && isWeakKey(key)) throw new Error(`${which} under ${MIN_API_KEY_CHARACTERS} characters${weak}`)
  }
  for (const secret of jwtSecrets) {
    if (isPlaceholder(secret)) throw new Error(`A JWT secret is a placeholder that everybody knows; ${newSecret}`)
    if (!allowWeak && isWeakSecret(secret)) throw new Error(`A JWT secret is under ${MIN_JWT_SECRET_BYTES} bytes${weak}`)
    if (apiKeys.includes(secret)) throw new Error('`apiKeys` holds a JWT secret; use different ones: who has that key could sign tokens')
  }
}
