/** The authorization request of a client: judged before anybody sees a page (OAuth 2.1 §4.1.1, RFC 7636, RFC 8707). */
import { scopeForm } from '../../principal/scope.js'
import type { Client } from './clients/client.js'
import { AuthorizationPageError, OAuthError, type OAuthErrorCode } from './protocol/oauth-error.js'
import { type Parameters, readParameters } from './protocol/parameters.js'
import { isRedirectUri, matchesRedirect, withAnswer } from './protocol/redirects.js'

/** What a client asks for, once it is clear who asks and where the answer goes. */
export interface AuthorizationRequest {
  readonly clientId: string
  readonly redirectUri: string
  /** Whether the request named it: then the token request has to, too. */
  readonly namesRedirect: boolean
  readonly state?: string | undefined
  /** As asked, `offline_access` aside. Empty: what the key may do. */
  readonly scopes: readonly string[]
  readonly wantsOffline: boolean
  readonly challenge: string
}

/** The client hears of this by a redirect (RFC 6749 §4.1.2.1). */
export class AuthorizationRedirectError extends Error {
  override readonly name = 'AuthorizationRedirectError'
  readonly location: string
  readonly code: OAuthErrorCode

  constructor (code: OAuthErrorCode, description: string, location: string) {
    super(description)
    this.code = code
    this.location = location
  }
}

const maxScopes = 100
const maxStateLength = 4096

export interface ReadOptions {
  readonly find: (clientId: string) => Promise<Client | undefined>
  readonly issuer: string
  /** The endpoint. */
  readonly resource: string
}

/**
 * Throws an `AuthorizationPageError` until client and redirect are verified, so that nobody is sent to a place
 * that a stranger chose; after that an `AuthorizationRedirectError`.
 */
export async function readAuthorizationRequest (
  query: string,
  { find, issuer, resource }: ReadOptions
): Promise<{ readonly request: AuthorizationRequest; readonly client: Client }> {
  const { parameters, repeated } = readParameters(query)
  const client = await clientOf(parameters, repeated, find)
  const redirectUri = redirectOf(parameters, repeated, client)
  const { state } = parameters
  const refuse = (code: OAuthErrorCode, description: string): never => {
    const location = withAnswer(redirectUri, {
      error: code,
      error_description: description,
      state: repeated.has('state') ? undefined : state,
      iss: issuer
    })
    throw new AuthorizationRedirectError(code, description, location)
  }

  if (repeated.size > 0) refuse('invalid_request', 'A parameter is repeated')
  if (state !== undefined && state.length > maxStateLength) {
    refuse('invalid_request', 'The parameter "state" is too long')
  }
  if (parameters.request !== undefined || parameters.request_uri !== undefined) {
    refuse('invalid_request', 'Request objects are not supported')
  }
  if (parameters.response_type === undefined) { refuse('invalid_request', 'The parameter "response_type" is missing') }
  if (parameters.response_type !== 'code') { refuse('unsupported_response_type', 'The response type must be "code"') }
  if (parameters.response_mode !== undefined && parameters.response_mode !== 'query') {
    refuse('invalid_request', 'The response mode must be "query"')
  }
  const { code_challenge: challenge = '', code_challenge_method: method } = parameters
  if (challenge === '') { refuse('invalid_request', 'The parameter "code_challenge" is missing: PKCE is required') }
  if (method !== 'S256') refuse('invalid_request', 'The code challenge method must be "S256"')
  // SHA-256 in base64url without padding.
  if (!/^[\w-]{43}$/.test(challenge)) { refuse('invalid_request', 'The code challenge is not a SHA-256 in base64url') }
  if (!namesResource(parameters.resource, resource)) {
    refuse('invalid_target', 'The resource must be the endpoint of this server')
  }
  const asked = (parameters.scope ?? '').split(' ').filter(scope => scope !== '')
  if (asked.length > maxScopes || !asked.every(scope => scopeForm.test(scope))) {
    refuse('invalid_scope', 'The scope is malformed')
  }

  return {
    client,
    request: {
      clientId: client.id,
      redirectUri,
      namesRedirect: parameters.redirect_uri !== undefined,
      state,
      scopes: [...new Set(asked.filter(scope => scope !== 'offline_access'))],
      wantsOffline: asked.includes('offline_access'),
      challenge
    }
  }
}

/** Left out it means the endpoint; a slash at its end makes no difference, because clients add one. */
export function namesResource (named: string | undefined, resource: string): boolean {
  return named === undefined || named === resource || named === `${resource}/`
}

async function clientOf (
  { client_id: id }: Parameters,
  repeated: ReadonlySet<string>,
  find: ReadOptions['find']
): Promise<Client> {
  if (id === undefined || repeated.has('client_id')) {
    throw new AuthorizationPageError(
      'This link is incomplete',
      'The app did not say which app it is (client_id). Go back to it and connect again.',
      { reason: 'client_id is missing or repeated' }
    )
  }
  try {
    const client = id.length > 2000 ? undefined : await find(id)
    if (client !== undefined) return client
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    throw new AuthorizationPageError(
      'Try again in a moment',
      'This server is busy looking up apps. Wait a few seconds and reload the page.',
      { statusCode: 503, reason: error.message }
    )
  }
  throw new AuthorizationPageError(
    'This app is not known here',
    'The app that sent you is not registered, or its description could not be read. Go back to it and ' +
      'connect again; if that does not help, ask the operator of this server.',
    { reason: 'the client is unknown' }
  )
}

function redirectOf (
  { redirect_uri: uri }: Parameters,
  repeated: ReadonlySet<string>,
  { redirectUris }: Client
): string {
  const [only, ...others] = redirectUris
  const problem =
    'The app asked to send you to an address that does not belong to it, so you were not sent there.'
  if (repeated.has('redirect_uri')) {
    throw new AuthorizationPageError('You were not sent on', problem, { reason: 'redirect_uri is repeated' })
  }
  if (uri === undefined) {
    if (only !== undefined && others.length === 0) return only
    throw new AuthorizationPageError(
      'This link is incomplete',
      'The app did not say where to send you afterwards (redirect_uri). Go back to it and connect again.',
      { reason: 'redirect_uri is missing, and the client has several' }
    )
  }
  if (!isRedirectUri(uri, { customSchemes: true }) || !matchesRedirect(redirectUris, uri)) {
    throw new AuthorizationPageError('You were not sent on', problem, {
      reason: 'redirect_uri does not belong to the client'
    })
  }
  return uri
}
