/** Checks a token of this server against the settings, without a running server. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Verdict } from '../principal/presented.js'
import type { ClaimRules } from '../tokens/claims.js'
import { createTokenVerifier, kidOf, type TokenSecret } from '../tokens/verify.js'

/** `secrets` are the current JWT secret, then former ones. */
export function judgeToken (token: string, secrets: readonly string[], rules: ClaimRules): Verdict {
  return createTokenVerifier(secrets.map(tokenSecret), rules)(token)
}

function tokenSecret (secret: string): TokenSecret {
  return {
    kid: kidOf(secret),
    verify: token => {
      const [header = '', payload = '', signature = ''] = token.split('.')
      const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
      const decoded = { header: read(header) as { alg?: unknown }, payload: read(payload) }
      const expected = createHmac('sha256', secret).update(`${header}.${payload}`).digest()
      const given = Buffer.from(signature, 'base64url')
      const isSigned = given.length === expected.length && timingSafeEqual(given, expected)
      if (decoded.header.alg !== 'HS256' || !isSigned) {
        throw Object.assign(new Error('not signed by it'), { code: 'FAST_JWT_INVALID_SIGNATURE' })
      }
      return decoded
    }
  }
}
