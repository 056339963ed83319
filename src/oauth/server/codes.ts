/** Authorization codes: a minute, once, kept as a digest, and bound to all that the request said. */
import { createHash, randomBytes } from 'node:crypto'
import { sha256 } from '../../lib/sha256.js'
import type { NewGrant } from './grants.js'
import type { Documents } from './documents/documents.js'

/** What a code stands for. */
export interface CodeContents {
  readonly grant: NewGrant
  readonly redirectUri: string
  readonly namesRedirect: boolean
  readonly challenge: string
  readonly wantsOffline: boolean
}

export type Redeemed =
  | { readonly kind: 'first', readonly contents: CodeContents }
  /** It was used before: what that gave has to end. */
  | { readonly kind: 'again', readonly grantId: string }
  | { readonly kind: 'none' }

export interface Codes {
  /** The code, for the redirect. */
  issue: (contents: CodeContents) => Promise<string>
  /** What the code stands for, without using it. */
  peek: (code: string) => Promise<CodeContents | undefined>
  /** Uses the code: of several who try at once exactly one is the first. */
  redeem: (code: string) => Promise<Redeemed>
}

const codeMs = 60_000
/** How long a second use is recognized as one. */
const usedMs = 60 * 60_000
const codeForm = /^mcp_code_[\w-]{43}$/

export function createCodes (documents: Documents): Codes {
  return {
    async issue (contents) {
      const code = `mcp_code_${randomBytes(32).toString('base64url')}`
      await documents.put(
        'code',
        sha256(code),
        { contents, issuedAt: Date.now() },
        { version: 0, endsAt: Date.now() + codeMs + usedMs }
      )
      return code
    },

    async peek (code) {
      const stored = codeForm.test(code) ? await documents.get('code', sha256(code)) : undefined
      return stored?.value.contents as CodeContents | undefined
    },

    async redeem (code) {
      const id = sha256(code)
      const stored = codeForm.test(code) ? await documents.get('code', id) : undefined
      if (stored === undefined) return { kind: 'none' }
      const { contents, issuedAt, isUsed } = stored.value as {
        contents: CodeContents
        issuedAt: number
        isUsed?: boolean
      }
      if (isUsed === true) return { kind: 'again', grantId: contents.grant.id }
      if (issuedAt + codeMs <= Date.now()) return { kind: 'none' }
      const isFirst = await documents.put(
        'code',
        id,
        { contents, issuedAt, isUsed: true },
        { version: stored.version, endsAt: Date.now() + usedMs }
      )
      return isFirst ? { kind: 'first', contents } : { kind: 'again', grantId: contents.grant.id }
    }
  }
}

/** RFC 7636 §4.6. */
export function provesChallenge (verifier: string | undefined, challenge: string): boolean {
  if (verifier === undefined || !/^[\w.~-]{43,128}$/.test(verifier)) return false
  return createHash('sha256').update(verifier).digest('base64url') === challenge
}
