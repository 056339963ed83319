/** Authorization codes: valid for one minute and for one use, and stored as digests. */
import { createHash, randomBytes } from 'node:crypto'
import { sha256 } from '../../lib/sha256.js'
import type { NewGrant } from './grant.js'
import { type Documents, useOnce } from './documents/documents.js'

/** The request and the grant that a code is bound to. */
export interface CodeContents {
  readonly grant: NewGrant
  readonly redirectUri: string
  readonly namesRedirect: boolean
  readonly challenge: string
  readonly wantsOffline: boolean
}

export type Redeemed =
  | { readonly kind: 'first', readonly contents: CodeContents }
  /** The code was used before. The caller must revoke the grant. */
  | { readonly kind: 'again', readonly grantId: string }
  | { readonly kind: 'none' }

export interface Codes {
  /** Creates a code. */
  issue: (contents: CodeContents) => Promise<string>
  /** Returns the contents of a code without using it. `undefined` if the code is unknown. */
  peek: (code: string) => Promise<CodeContents | undefined>
  /** Uses a code. If several requests use it at the same time, exactly one gets `first`. */
  redeem: (code: string) => Promise<Redeemed>
  /** True if a second request has used the code. */
  isReused: (code: string) => Promise<boolean>
}

const codeMs = 60_000
/** How long a used code is kept, so that a second use is detected. */
const usedMs = 60 * 60_000
const codeForm = /^mcp_code_[\w-]{43}$/

export function createCodes (documents: Documents): Codes {
  async function usedAgain (id: string, { grant }: CodeContents): Promise<Redeemed> {
    await useOnce(documents, reuseOf(id), Date.now() + usedMs)
    return { kind: 'again', grantId: grant.id }
  }

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
      if (isUsed === true) return await usedAgain(id, contents)
      if (issuedAt + codeMs <= Date.now()) return { kind: 'none' }
      const isFirst = await documents.put(
        'code',
        id,
        { contents, issuedAt, isUsed: true },
        { version: stored.version, endsAt: Date.now() + usedMs }
      )
      return isFirst ? { kind: 'first', contents } : await usedAgain(id, contents)
    },

    isReused: async code => (await documents.get('once', reuseOf(sha256(code)))) !== undefined
  }
}

/** The document that records a second use. */
function reuseOf (id: string): string {
  return `reused-${id}`
}

/** Verifies the PKCE code verifier (RFC 7636 §4.6). */
export function provesChallenge (verifier: string | undefined, challenge: string): boolean {
  if (verifier === undefined || !/^[\w.~-]{43,128}$/.test(verifier)) return false
  return createHash('sha256').update(verifier).digest('base64url') === challenge
}
