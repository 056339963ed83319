/** A person on the sign-in pages and an OAuth client, without a browser. */
import { createHash, randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { AppOptions } from '../../src/app.js'
import { adaKey, credentials, service } from './service.js'

export const publicUrl = 'https://mcp.example.com'
export const resource = `${publicUrl}/mcp`
export const redirectUri = 'https://app.example.com/callback'

/** Builds the service with its authorization server. */
export async function signInService (t: Test, { env = {}, ...options }: AppOptions = {}): Promise<FastifyInstance> {
  return await service(t, { env: { OAUTH_SERVER: 'on', PUBLIC_URL: publicUrl, ...env }, ...options })
}

export { adaKey, credentials }

/** Returns a code verifier and its challenge (RFC 7636). */
export function pkce (): { verifier: string, challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

type Fields = Readonly<Record<string, string | undefined>>

export function form (fields: Fields): { payload: string, headers: Record<string, string> } {
  const given = Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    payload: new URLSearchParams(given).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' }
  }
}

/** Registers a client dynamically and returns its id. */
export async function register (app: FastifyInstance, metadata: object = {}): Promise<string> {
  const response = await app.inject({
    method: 'POST',
    url: '/oauth/register',
    payload: { client_name: 'Tests', redirect_uris: [redirectUri], ...metadata }
  })
  return response.json().client_id
}

export interface Page {
  readonly status: number
  readonly html: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly location: URL | undefined
  /** The hidden field of the form. */
  readonly handle: string
  /** The cookie for the next request. */
  readonly cookie: string
}

type Injected = Awaited<ReturnType<FastifyInstance['inject']>>

export function pageOf (response: Injected, cookie = ''): Page {
  const { headers, payload } = response
  const [, handle = ''] = /name="handle" value="([^"]*)"/.exec(payload) ?? []
  const [set = cookie] = String(headers['set-cookie'] ?? cookie).split(';')
  return {
    status: response.statusCode,
    html: payload,
    headers,
    location: typeof headers.location === 'string' ? new URL(headers.location) : undefined,
    handle,
    cookie: set
  }
}

/** Returns a valid authorization URL of this client. `undefined` omits a parameter. */
export function authorizeUrl (clientId: string, challenge: string, fields: Fields = {}): string {
  const all: Fields = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'a state',
    resource,
    ...fields
  }
  return `/oauth/authorize?${form(all).payload}`
}

export async function open (app: FastifyInstance, url: string, cookie = ''): Promise<Page> {
  return pageOf(await app.inject({ url, headers: cookie === '' ? {} : { cookie } }), cookie)
}

/** Submits the page with a button. */
export async function press (app: FastifyInstance, page: Page, action: string, fields: Fields = {}): Promise<Page> {
  const { payload, headers } = form({ handle: page.handle, action, ...fields })
  return pageOf(
    await app.inject({
      method: 'POST',
      url: '/oauth/authorize',
      payload,
      headers: { ...headers, cookie: page.cookie }
    }),
    page.cookie
  )
}

export async function token (
  app: FastifyInstance,
  fields: Fields
): Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: Record<string, string> }> {
  const response = await app.inject({ method: 'POST', url: '/oauth/token', ...form(fields) })
  return { status: response.statusCode, headers: response.headers, body: response.json() }
}

/** Returns true if the refresh token is refused because its grant has ended. */
export async function isRefreshRefused (
  app: FastifyInstance,
  clientId: string,
  refreshToken: string
): Promise<boolean> {
  const { status, body } = await token(app, {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken
  })
  return status === 400 && body.error === 'invalid_grant'
}

export interface SignInOptions {
  readonly clientId?: string
  readonly key?: string
  readonly fields?: Fields
}

export interface SignedIn {
  readonly clientId: string
  readonly accessToken: string
  readonly refreshToken: string
  readonly scope: string
  readonly bearer: { authorization: string }
}

/** Approves a client and returns the parameters of its token request. */
export async function approve (
  app: FastifyInstance,
  { clientId: given, key = adaKey, fields = {} }: SignInOptions = {}
): Promise<{ clientId: string; code: string; redeem: Fields; answer: URL }> {
  const clientId = given ?? (await register(app))
  const { verifier, challenge } = pkce()
  const first = await open(app, authorizeUrl(clientId, challenge, fields))
  const second = await press(app, first, 'continue', { key })
  const done = await press(app, second, 'approve')
  const answer = done.location ?? new URL('about:blank')
  const code = answer.searchParams.get('code') ?? ''
  const redirect = 'redirect_uri' in fields ? fields.redirect_uri : redirectUri
  return {
    clientId,
    code,
    answer,
    redeem: {
      grant_type: 'authorization_code',
      client_id: clientId,
      code,
      redirect_uri: redirect,
      code_verifier: verifier,
      resource
    }
  }
}

/** Registers a client, approves it and returns its tokens. */
export async function signIn (app: FastifyInstance, options: SignInOptions = {}): Promise<SignedIn> {
  const { clientId, redeem } = await approve(app, options)
  const {
    body: { access_token: accessToken = '', refresh_token: refreshToken = '', scope = '' }
  } = await token(app, redeem)
  return { clientId, accessToken, refreshToken, scope, bearer: { authorization: `Bearer ${accessToken}` } }
}
