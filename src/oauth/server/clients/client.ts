/** A client of the authorization server, and the validation of its metadata (RFC 7591 §2). */
import { isRecord } from '../../../lib/guards.js'
import { areRedirectUris, type RedirectRules } from '../protocol/redirects.js'

export type AuthMethod = 'none' | 'private_key_jwt'

export interface Client {
  /** The `client_id`. */
  readonly id: string
  /** How the client became known. Only for `registered` is the name verified, by the operator. */
  readonly source: 'document' | 'registered' | 'dynamic'
  /** The name from its metadata, not verified. */
  readonly name: string
  readonly redirectUris: readonly string[]
  /** The accepted authentication methods at the token endpoint, at least one. */
  readonly authMethods: readonly AuthMethod[]
  /** URL of its keys, for `private_key_jwt`. */
  readonly jwksUri?: string | undefined
  readonly jwks?: Readonly<Record<string, unknown>> | undefined
}

export type ClientMetadata = Omit<Client, 'id' | 'source'>

export class ClientMetadataError extends Error {
  override readonly name = 'ClientMetadataError'
  /** True if the error is about `redirect_uris`. */
  readonly isRedirect: boolean

  constructor (message: string, isRedirect = false) {
    super(message)
    this.isRedirect = isRedirect
  }
}

const longestName = 100

/** Validates the metadata that a client sent. Throws a `ClientMetadataError` with a constant message. */
export function readClientMetadata (
  value: unknown,
  rules: RedirectRules & { readonly fallbackName?: string } = {}
): ClientMetadata {
  if (!isRecord(value)) throw new ClientMetadataError('The metadata is not a JSON object')
  const { redirect_uris: redirectUris, client_name: name, jwks_uri: jwksUri, jwks } = value
  if (!areRedirectUris(redirectUris, rules)) {
    throw new ClientMetadataError(
      'redirect_uris must list 1 to 20 URIs: https, or http on localhost, 127.0.0.1 or [::1], without ' +
        'fragment and user info',
      true
    )
  }
  if (Object.hasOwn(value, 'client_secret')) {
    throw new ClientMetadataError('Client secrets are not supported: use "none" with PKCE, or "private_key_jwt"')
  }
  const authMethods = authMethodsOf(value)
  if (jwksUri !== undefined && !isHttps(jwksUri)) throw new ClientMetadataError('jwks_uri must be https')
  if (jwks !== undefined && !isRecord(jwks)) throw new ClientMetadataError('jwks must be a JSON object')
  if (
    authMethods.includes('private_key_jwt') &&
    jwksUri === undefined &&
    jwks === undefined &&
    !authMethods.includes('none')
  ) {
    throw new ClientMetadataError('"private_key_jwt" requires jwks_uri or jwks')
  }
  requireCodeFlow(value)
  const readable = typeof name === 'string' ? readableName(name) : ''
  const shown = readable === '' ? (rules.fallbackName ?? '') : readable
  if (shown === '') throw new ClientMetadataError('client_name must be a string')
  return {
    name: shown,
    redirectUris: [...redirectUris],
    authMethods,
    ...(typeof jwksUri === 'string' ? { jwksUri } : {}),
    ...(isRecord(jwks) ? { jwks } : {})
  }
}

/**
 * Removes control characters, line breaks and marks that change the text direction. The name is shown on our
 * pages, so it must not be able to imitate their text (spoofing).
 */
function readableName (name: string): string {
  return name
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, longestName)
    .trim()
}

const known: readonly AuthMethod[] = ['none', 'private_key_jwt']

/** Some clients name one method, and list others in `token_endpoint_auth_methods_supported`. */
function authMethodsOf ({
  token_endpoint_auth_method: method = 'none',
  token_endpoint_auth_methods_supported: others = []
}: Record<string, unknown>): AuthMethod[] {
  const named = [method, others].flat()
  const found = known.filter(name => named.includes(name))
  if (found.length === 0) {
    throw new ClientMetadataError('token_endpoint_auth_method must be "none" or "private_key_jwt"')
  }
  return found
}

function requireCodeFlow ({ grant_types: grants, response_types: responses }: Record<string, unknown>): void {
  if (grants !== undefined && !(Array.isArray(grants) && grants.includes('authorization_code'))) {
    throw new ClientMetadataError('grant_types must contain "authorization_code"')
  }
  if (responses !== undefined && !(Array.isArray(responses) && responses.includes('code'))) {
    throw new ClientMetadataError('response_types must contain "code"')
  }
}

function isHttps (url: unknown): boolean {
  return (
    typeof url === 'string' &&
    url.length <= 2000 &&
    URL.canParse(url) &&
    new URL(url).protocol === 'https:' &&
    new URL(url).username === ''
  )
}

/**
 * True if all redirects go to loopback. Then any program on the user's computer can pretend to be the client.
 */
export function isLoopbackOnly ({ redirectUris }: Pick<Client, 'redirectUris'>): boolean {
  return redirectUris.every(uri => uri.startsWith('http:'))
}
