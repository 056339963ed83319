/** Popular OAuth clients, end to end over real sockets: from a 401 to a call, a refresh and a revocation. */
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { OAuthClientInformationMixed } from '@modelcontextprotocol/sdk/shared/auth.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import Fastify from 'fastify'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { mcpAuth } from '../../../src/mcp-auth.js'
import { documentsInFiles } from '../../../src/oauth/server/documents/in-files.js'
import { addClient } from '../../../src/oauth/server/clients/registered.js'
import { OAuthMemory, redirectUrl } from '../../support/oauth-client.js'
import { rehosted } from '../../support/rehosted.js'
import { freePort } from '../../support/ports.js'
import { adaKey } from '../../support/service.js'
import { directory } from '../../support/keys.js'
import { secret } from '../../support/tokens.js'

const documentUrl = 'https://app.example.com/client.json'
const registeredId = 'by-hand'

interface Running { readonly base: string, readonly url: string }

/** Starts the service on a real port, with one known client of each kind. */
async function running (t: Test): Promise<Running> {
  const documents = await rehosted(t)
  documents.answer(documentUrl, {
    client_id: documentUrl,
    client_name: 'App',
    redirect_uris: [redirectUrl],
    token_endpoint_auth_method: 'none'
  })
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const stateDir = `${await directory(t)}/state`
  const app = Fastify()
  t.teardown(async () => {
    const closed = app.close()
    app.server.closeAllConnections()
    await closed
  })
  await app.register(mcpAuth, {
    publicUrl: base,
    jwtSecret: secret,
    apiKeys: [adaKey],
    stateDir,
    oauthServer: { fetchDocument: documents.fetchDocument }
  })
  await app.listen({ port, host: '127.0.0.1' })
  const store = documentsInFiles({ directory: `${stateDir}/oauth` })
  await addClient(store, { id: registeredId, name: 'By hand', redirectUris: [redirectUrl] })
  await store.close()
  return { base, url: `${base}/mcp` }
}

/** Acts as the person on the pages. Resolves to the final redirect. */
async function consent (url: URL): Promise<URL> {
  let response = await fetch(url, { redirect: 'manual' })
  const cookie = (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
  for (const action of ['continue', 'approve']) {
    const [, handle = ''] = /name="handle" value="([^"]*)"/.exec(await response.text()) ?? []
    const body = new URLSearchParams({ handle, action, key: adaKey })
    response = await fetch(new URL(url.pathname, url), {
      method: 'POST',
      body,
      headers: { cookie },
      redirect: 'manual'
    })
  }
  return new URL(response.headers.get('location') ?? 'about:blank')
}

class DocumentMemory extends OAuthMemory {
  readonly clientMetadataUrl = documentUrl
}

const memories: Record<string, () => OAuthMemory> = {
  dynamic: () => new OAuthMemory(),
  document: () => new DocumentMemory(),
  registered: () => new OAuthMemory({ client_id: registeredId } satisfies OAuthClientInformationMixed)
}

for (const [kind, remember] of Object.entries(memories)) {
  for (const [what, connect] of [
    ['v1', async (url: string, authProvider: OAuthMemory) => {
      const client = new Client({ name: 'tests', version: '1' })
      const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider })
      return { client, transport, connected: client.connect(transport as never) }
    }],
    ['v2', async (url: string, authProvider: OAuthMemory) => {
      const client = new ModernClient({ name: 'tests', version: '1' }, { versionNegotiation: { mode: 'auto' } })
      const transport = new ModernTransport(new URL(url), { authProvider: authProvider as never })
      return { client, transport, connected: client.connect(transport) }
    }]
  ] as const) {
    t.test(`the SDK ${what} signs in as a ${kind} client, calls and refreshes`, async t => {
      const { url } = await running(t)
      const memory = remember()
      const stranger = await connect(url, memory)
      await t.rejects(stranger.connected)
      const [asked = new URL(url)] = memory.redirects
      const back = await consent(asked)
      t.ok(back.href.startsWith(redirectUrl))
      await stranger.transport.finishAuth(
        what === 'v2' ? (back.searchParams as never) : (back.searchParams.get('code') ?? '')
      )
      await stranger.transport.close()

      const { client, connected } = await connect(url, memory)
      await connected
      const id = (await memory.clientInformation())?.client_id
      t.match(await client.callTool({ name: 'whoami', arguments: {} }), {
        structuredContent: { client: { id: kind === 'document' ? documentUrl : id } }
      })
      await client.close()

      // Simulates an expired access token.
      const tokens = memory.tokens()
      const before = tokens?.refresh_token
      if (tokens !== undefined) memory.saveTokens({ ...tokens, access_token: 'expired' })
      const again = await connect(url, memory)
      await again.connected
      t.match(await again.client.callTool({ name: 'whoami', arguments: {} }), {
        structuredContent: { method: 'api-key' }
      })
      t.not(memory.tokens()?.refresh_token, before)
      await again.client.close()
    })
  }
}

for (const kind of ['dynamic', 'document', 'registered'] as const) {
  t.test(`openid-client signs in as a ${kind} client, refreshes and revokes`, async t => {
    const { base, url } = await running(t)
    const options = { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' as const }
    const config =
      kind === 'dynamic'
        ? await openid.dynamicClientRegistration(
          new URL(base),
          {
            redirect_uris: [redirectUrl],
            client_name: 'openid-client',
            token_endpoint_auth_method: 'none'
          },
          openid.None(),
          options
        )
        : await openid.discovery(
          new URL(base),
          kind === 'document' ? documentUrl : registeredId,
          undefined,
          openid.None(),
          options
        )
    t.equal(config.serverMetadata().issuer, base)
    const verifier = openid.randomPKCECodeVerifier()
    const state = openid.randomState()
    const asked = openid.buildAuthorizationUrl(config, {
      redirect_uri: redirectUrl,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      resource: url
    })
    // openid-client checks `iss`, because the metadata announces it (RFC 9207).
    const tokens = await openid.authorizationCodeGrant(config, await consent(asked), {
      pkceCodeVerifier: verifier,
      expectedState: state
    })
    const call = async (token: string): Promise<number> =>
      (
        await fetch(url, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream'
          },
          body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
        })
      ).status
    t.equal(await call(tokens.access_token), 200)
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    t.equal(await call(refreshed.access_token), 200)
    await openid.tokenRevocation(config, refreshed.refresh_token ?? '')
    t.equal(await call(refreshed.access_token), 401)
    t.equal(
      await openid
        .refreshTokenGrant(config, refreshed.refresh_token ?? '')
        .catch((error: { error?: string }) => error.error),
      'invalid_grant'
    )
  })
}
