/** A real identity provider on a real port, with a person who approves everything. */
import { createServer } from 'node:http'
import { exportJWK } from 'jose'
import Provider, { type JWK, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import type { Test } from 'tap'
import type { SigningKey } from './issuer.js'
import { redirectUrl } from './oauth-client.js'
import { restartable } from './restartable.js'
import { lookAway } from './witness.js'

export interface ProviderOptions {
  /** The signing key. */
  readonly key: SigningKey
  /** Settings of the access tokens. Default: JWTs signed with `key`. */
  readonly tokens?: Partial<ResourceServer>
  /** Additional claims of access tokens. */
  readonly claims?: Record<string, unknown>
}

export interface RunningProvider {
  readonly issuer: string
  /** The requested paths, in order. */
  readonly requests: string[]
  /** Replaces the signing key and the published key set. */
  rotate: (key: SigningKey) => Promise<void>
  /** Stops and starts listening, on the same port. */
  stop: () => Promise<void>
  start: () => Promise<void>
  /** Returns a client-credentials token for this resource. */
  token: (resource: string, scope?: string) => Promise<string>
  /** Follows an authorization URL as a browser would, up to the redirect to the client. */
  consent: (url: URL) => Promise<URL>
}

const machine = { client_id: 'machine', client_secret: 'a-secret-of-the-machine-in-the-tests' }
/** A registered client that may request every scope. */
export const registered = {
  client_id: 'person',
  token_endpoint_auth_method: 'none',
  redirect_uris: [redirectUrl]
} as const
const scopes = 'mcp:tools files:read files:write'

/** Starts a provider. It is closed at the test's end. */
export async function runningProvider (t: Test, options: ProviderOptions): Promise<RunningProvider> {
  const requests: string[] = []
  let provider: Provider
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    if (request.url?.startsWith('/interaction/') !== true) return provider.callback()(request, response)
    provider
      .interactionFinished(request, response, { login: { accountId: 'ada' }, consent: {} })
      .catch(error => {
        response.destroy(error)
      })
  })
  lookAway(server)
  const { url: issuer, start, stop } = await restartable(t, server)
  const rotate = async (key: SigningKey): Promise<void> => { provider = await providerOf(issuer, { ...options, key }) }
  await rotate(options.key)
  return {
    issuer,
    requests,
    rotate,
    start,
    stop,
    token: async (resource, scope) => await machineToken(issuer, resource, scope),
    consent
  }
}

async function providerOf (issuer: string, { key, tokens = {}, claims = {} }: ProviderOptions): Promise<Provider> {
  const jwk = { ...key.jwk, ...await exportJWK(key.privateKey) } as JWK
  const provider = new Provider(issuer, {
    clients: [
      { ...machine, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
      { ...registered, redirect_uris: [redirectUrl] }
    ],
    clientDefaults: { id_token_signed_response_alg: key.alg as 'ES256' },
    jwks: { keys: [jwk] },
    scopes: ['openid', ...scopes.split(' ')],
    cookies: { keys: ['a-cookie-key-of-the-tests'] },
    pkce: { required: () => true },
    findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: grantEverything,
    extraTokenClaims: async () => claims,
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_context, audience) => ({
          scope: scopes,
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: key.alg as 'ES256' } },
          ...tokens
        })
      }
    }
  })
  return provider
}

async function grantEverything ({ oidc }: KoaContextWithOIDC) {
  const { client, session, provider, params } = oidc
  const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId })
  grant.addOIDCScope(`openid ${scopes}`)
  for (const resource of [params?.resource].flat()) {
    if (typeof resource === 'string') grant.addResourceScope(resource, scopes)
  }
  await grant.save()
  return grant
}

async function machineToken (issuer: string, resource: string, scope = 'mcp:tools'): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', resource, scope })
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body,
    headers: { authorization: `Basic ${btoa(`${machine.client_id}:${machine.client_secret}`)}` }
  })
  const answer = await response.json() as { access_token?: string }
  if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`)
  return answer.access_token
}

async function consent (url: URL): Promise<URL> {
  const { origin } = url
  const cookies = new Map<string, string>()
  for (let at = url, steps = 0; steps < 10; steps++) {
    if (at.origin !== origin) return at
    const response = await fetch(at, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(pair => pair.join('=')).join('; ') }
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) {
      throw new Error(`the provider answered ${response.status} at ${at.pathname}: ${await response.text()}`)
    }
    at = new URL(location, at)
  }
  throw new Error('the provider redirects in circles')
}
