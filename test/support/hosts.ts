/** The well-known hosts: their client documents, redirects and assertions. */
import Fastify, { type FastifyInstance } from 'fastify'
import { generateKeyPair, exportJWK, SignJWT, type CryptoKey } from 'jose'
import type { Test } from 'tap'
import { mcpAuth } from '../../src/mcp-auth.js'
import { type RehostedDocuments } from './rehosted.js'
import { adaKey } from './service.js'
import { publicUrl } from './sign-in.js'
import { secret } from './tokens.js'
import { credentialOfTests } from './witness.js'

export const { privateKey, publicKey } = await generateKeyPair('RS256')
export const jwks = { keys: [{ ...await exportJWK(publicKey), kid: 'host', alg: 'RS256' }] }
export const jwksUri = 'https://chatgpt.com/oauth/jwks.json'

interface Host {
  readonly name: string
  readonly document: { readonly client_id: string, readonly [member: string]: unknown }
  /** The redirect URI that the host sends. On loopback it includes a port. */
  readonly redirect: string
  readonly scope?: string | undefined
  /** Authenticates with a client assertion. */
  readonly asserts?: boolean
  readonly sendsNoResource?: boolean
  readonly isBuiltIn: boolean
}

export const code = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }

export const hosts: readonly Host[] = [
  {
    name: 'Claude',
    document: {
      client_id: 'https://claude.ai/oauth/mcp-oauth-client-metadata',
      client_name: 'Claude',
      client_uri: 'https://claude.ai',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'https://claude.ai/api/mcp/auth_callback',
    scope: 'offline_access',
    isBuiltIn: true
  },
  {
    name: 'Claude Code',
    document: {
      client_id: 'https://claude.ai/oauth/claude-code-client-metadata',
      client_name: 'Claude Code',
      redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://localhost:54545/callback',
    isBuiltIn: true
  },
  {
    name: 'ChatGPT',
    document: {
      client_id: 'https://chatgpt.com/oauth/client.json',
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'RS256',
      jwks_uri: jwksUri,
      ...code
    },
    redirect: 'https://chatgpt.com/connector_platform_oauth_redirect',
    scope: 'offline_access',
    asserts: true,
    isBuiltIn: true
  },
  {
    name: 'ChatGPT with a client id per connector',
    document: {
      client_id: 'https://chatgpt.com/oauth/abc123/client.json',
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector/oauth/abc123'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
      jwks_uri: jwksUri,
      ...code
    },
    redirect: 'https://chatgpt.com/connector/oauth/abc123',
    isBuiltIn: false
  },
  {
    name: 'Codex',
    document: {
      client_id: 'https://chatgpt.com/oauth/codex/client.json',
      client_name: 'Codex',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://127.0.0.1:1455/callback',
    isBuiltIn: true
  },
  {
    name: 'opencode',
    document: {
      client_id: 'https://opencode.ai/oauth/opencode/client.json',
      client_name: 'opencode',
      redirect_uris: ['http://127.0.0.1/mcp/oauth/callback'],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://127.0.0.1:19876/mcp/oauth/callback',
    sendsNoResource: true,
    isBuiltIn: true
  },
  {
    name: 'VS Code',
    document: {
      client_id: 'https://vscode.dev/oauth/client-metadata.json',
      client_name: 'Visual Studio Code',
      redirect_uris: [
        'https://vscode.dev/redirect',
        'https://insiders.vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://localhost/'
      ],
      token_endpoint_auth_method: 'none',
      ...code
    },
    redirect: 'http://127.0.0.1:33418/',
    isBuiltIn: false
  }
]

export async function server (t: Test, documents: RehostedDocuments): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpAuth, {
    publicUrl,
    jwtSecret: secret,
    apiKeys: [adaKey],
    oauthServer: { fetchDocument: documents.fetchDocument }
  })
  return app
}

export let assertions = 0

export async function assertionOf (
  clientId: string,
  change: Record<string, unknown> = {},
  key: CryptoKey | Uint8Array = privateKey,
  alg = 'RS256'
): Promise<Record<string, string>> {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: `${publicUrl}/oauth/token`,
    jti: `assertion-${assertions++}`,
    iat: now,
    exp: now + 300,
    ...change
  }
  const assertion = credentialOfTests(
    await new SignJWT(claims).setProtectedHeader({ alg, kid: 'host' }).sign(key)
  )
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion
  }
}
