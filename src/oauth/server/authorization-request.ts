/** Reads and validates the authorization request (OAuth 2.1 §4.1.1, RFC 7636, RFC 8707). */
import { scopeForm } from '../../principal/scope.js'
import type { Client } from './clients/client.js'
import { AuthorizationPageError, OAuthError, type OAuthErrorCode } from './protocol/oauth-error.js'
import { type Parameters, readParameters } from './protocol/parameters.js'
import { isRedirectUri, matchesRedirect, withAnswer } from './protocol/redirects.js'

/** A valid authorization request. Its client and its redirect URI are verified. */
export interface AuthorizationRequest {
  readonly clientId: string
  readonly redirectUri: string
  /** True if the request contained `redirect_uri`. Then the token request must contain it, too. */
  readonly namesRedirect: boolean
  readonly state?: string | undefined
  /** The requested scopes without `offline_access`. Empty: all scopes of the key. */
  readonly scopes: readonly string[]
  readonly wantsOffline: boolean
  readonly challenge: string
}

/** An error that is sent to the client by a redirect to `location` (RFC 6749 §4.1.2.1). */
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
  /** The URL of the MCP endpoint. */
  readonly resource: string
}

/**
 * Validates the query of an authorization request. Throws an `AuthorizationPageError` if the client or the
 * redirect URI is not valid: redirecting there would make this server an open redirector. Throws an
 * `AuthorizationRedirectError` for all other errors.
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
  const requested = (parameters.scope ?? '').split(' ').filter(scope => scope !== '')
  if (requested.length > maxScopes || !requested.every(scope => scopeForm.test(scope))) {
    refuse('invalid_scope', 'The scope is malformed')
  }

  return {
    client,
    request: {
      clientId: client.id,
      redirectUri,
      namesRedirect: parameters.redirect_uri !== undefined,
      state,
      scopes: [...new Set(requested.filter(scope => scope !== 'offline_access'))],
      wantsOffline: requested.includes('offline_access'),
      challenge
    }
  }
}

/**
 * True if the `resource` parameter (RFC 8707) is the endpoint or is omitted. A trailing slash is ignored,
 * because some clients add one. Spellings of one URL are equal: the specification asks servers to accept a
 * scheme and host in upper case (MCP 2026-07-28, Authorization, Canonical Server URI).
 */
export function namesResource (named: string | undefined, resource: string): boolean {
  if (named === undefined) return true
  return URL.canParse(named) && [resource, `${resource}/`].some(url => new URL(url).href === new URL(named).href)
}

async function clientOf (
  { client_id: id }: Parameters,
  repeated: ReadonlySet<string>,
  find: ReadOptions['find']
): Promise<Client> {
  if (id === undefined || repeated.has('client_id')) {
    throw new AuthorizationPageError(
      'This link is incomplete',
      'The link does not name the app (client_id). Go back to the app and connect again.',
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
    'The app that sent you is not registered, or its description could not be read. Go back to the app and ' +
      'connect again. If that does not help, ask the operator of this server.',
    { reason: 'the client is unknown' }
  )
}

function redirectOf (
  { redirect_uri: uri }: Parameters,
  repeated: ReadonlySet<string>,
  { redirectUris }: Client
): string {
  const [first, ...others] = redirectUris
  const problem =
    'The app asked for a redirect to an address that is not registered for it. For your safety, you stay here.'
  if (repeated.has('redirect_uri')) {
    throw new AuthorizationPageError('You were not redirected', problem, {
      reason: 'redirect_uri is repeated'
    })
  }
  if (uri === undefined) {
    if (first !== undefined && others.length === 0) return first
    throw new AuthorizationPageError(
      'This link is incomplete',
      'The link does not say where to redirect you (redirect_uri). Go back to the app and connect again.',
      { reason: 'redirect_uri is missing, and the client has several redirect URIs' }
    )
  }
  if (!isRedirectUri(uri, { customSchemes: true }) || !matchesRedirect(redirectUris, uri)) {
    throw new AuthorizationPageError('You were not redirected', problem, {
      reason: 'redirect_uri does not belong to the client'
    })
  }
  return uri
}
