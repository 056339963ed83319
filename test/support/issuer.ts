/** A token issuer on a real port. Tests choose its answers and what it signs. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose'
import type { Test } from 'tap'
import { encode, inSeconds } from './tokens.js'
import { restartable } from './restartable.js'
import { lookAway } from './witness.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface SigningKey {
  readonly jwk: JWK
  readonly privateKey: CryptoKey
  readonly alg: string
}

export interface FakeIssuer {
  readonly issuer: string
  readonly jwksUrl: string
  /** The requested paths, in order. */
  readonly requests: string[]
  /** Replaces the answer at a path. */
  answer: (path: string, answer: Answer) => void
  /** Replaces the key set. */
  publish: (...keys: ReadonlyArray<{ readonly jwk: JWK }>) => void
  /** Stops and starts listening, on the same port. */
  stop: () => Promise<void>
  start: () => Promise<void>
}

export const audience = 'https://mcp.example.com/mcp'
/** How long tests wait for an issuer's keys. Only ends waits for what never happens. */
export const jwksTimeoutMs = 120_000
/** The same, as a setting. */
export const patient = { JWT_JWKS_TIMEOUT_MS: String(jwksTimeoutMs) }

/** Creates a signing key. Call it once per file, because RSA keys are slow to create. */
export async function signingKey (alg: string, kid: string, more: Partial<JWK> = {}): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { jwk: { ...await exportJWK(publicKey), kid, alg, use: 'sig', ...more }, privateKey, alg }
}

/** Returns a token with these claims. `header` is merged over the default header. */
export async function sign (key: SigningKey, claims: unknown, header: Record<string, unknown> = {}): Promise<string> {
  const payload = new TextEncoder().encode(typeof claims === 'string' ? claims : JSON.stringify(claims))
  const all = { alg: key.alg, kid: key.jwk.kid, typ: 'at+jwt', ...header }
  return await new CompactSign(payload).setProtectedHeader(JSON.parse(JSON.stringify(all))).sign(key.privateKey)
}

/** Returns a token with this header, these claims and an invalid signature. */
export function unsigned (header: unknown, claims: unknown, signature = encode('x'.repeat(64))): string {
  return `${encode(header)}.${encode(claims)}.${signature}`
}

export function claimsOf (issuer: string, claims: Record<string, unknown> = {}): Record<string, unknown> {
  return { iss: issuer, aud: audience, sub: 'ada', iat: inSeconds(0), exp: inSeconds(600), ...claims }
}

export function json (body: unknown, status = 200): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}

/** Starts an issuer, closed at the test's end. Its metadata names `/jwks`. Every other path is 404. */
export async function fakeIssuer (t: Test, ...keys: ReadonlyArray<{ readonly jwk: JWK }>): Promise<FakeIssuer> {
  const answers = new Map<string, Answer>()
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    const answer = answers.get(path) ?? json({}, 404)
    answer(request, response)
  })
  lookAway(server)
  const { url: issuer, start, stop } = await restartable(t, server)
  const fake: FakeIssuer = {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    requests,
    answer: (path, answer) => { answers.set(path, answer) },
    publish: (...published) => { answers.set('/jwks', json({ keys: published.map(({ jwk }) => jwk) })) },
    start,
    stop
  }
  fake.answer('/.well-known/openid-configuration', json({ issuer, jwks_uri: fake.jwksUrl }))
  fake.publish(...keys)
  return fake
}
