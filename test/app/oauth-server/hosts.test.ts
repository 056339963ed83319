/** Popular MCP hosts, with their published client documents, their redirects and their requests. */
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import oauthServer from '../../../plugins/oauth-server.js'
import { documentsInMemory } from '../../../src/oauth/server/documents/in-memory.js'
import { rehosted } from '../../support/rehosted.js'
import { adaKey, callOf, post } from '../../support/service.js'
import {
  authorizeUrl, open, pkce, press, publicUrl, redirectUri, resource, signIn, token
} from '../../support/sign-in.js'
import { jwks, jwksUri, hosts as known, server, assertionOf } from '../../support/hosts.js'
import { secret } from '../../support/tokens.js'
import { wallClock } from '../../support/wall-clock.js'

for (const { name, document, redirect, scope, asserts = false, sendsNoResource = false, isBuiltIn } of known) {
  const clientId = document.client_id
  const target = sendsNoResource ? undefined : resource

  t.test(`${name} signs in with its client document, calls and refreshes`, async t => {
    const documents = await rehosted(t)
    documents.answer(clientId, document)
    documents.answer(jwksUri, jwks)
    const app = await server(t, documents)
    const { verifier, challenge } = pkce()
    const page = await open(app, authorizeUrl(clientId, challenge, { redirect_uri: redirect, scope, resource: target }))
    t.equal(page.status, 200)
    t.match(page.html, new URL(clientId).host)
    const done = await press(app, await press(app, page, 'continue', { key: adaKey }), 'approve')
    t.equal(done.location?.href.startsWith(redirect), true)
    const proof = async () => asserts ? await assertionOf(clientId) : {}
    const fields = {
      grant_type: 'authorization_code',
      client_id: clientId,
      code: done.location?.searchParams.get('code') ?? '',
      redirect_uri: redirect,
      code_verifier: verifier,
      resource: target
    }
    const first = await token(app, { ...fields, ...await proof() })
    t.equal(first.status, 200)
    t.equal(
      (await post(app, callOf('whoami'), { authorization: `Bearer ${first.body.access_token}` })).body.result
        .structuredContent.client.id,
      clientId
    )
    // Hosts refresh concurrently from several places.
    const refresh = {
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: first.body.refresh_token,
      resource: target
    }
    const burst = await Promise.all([1, 2, 3].map(async () => await token(app, { ...refresh, ...await proof() })))
    t.ok(burst.every(({ status }) => status === 200))
    t.equal(new Set(burst.map(({ body }) => body.refresh_token)).size, 1)
  })

  t.test(`${name} ${isBuiltIn ? 'is known' : 'is refused'} while its document is unavailable`, async t => {
    const documents = await rehosted(t)
    documents.answer(clientId, (_request, response) => {
      response.writeHead(503, { 'content-type': 'text/html' }).end('<!doctype html>')
    })
    const app = await server(t, documents)
    const page = await open(app, authorizeUrl(clientId, pkce().challenge, { redirect_uri: redirect }))
    t.equal(page.status, isBuiltIn ? 200 : 400)
  })
}

t.test('a client whose document is away after a restart gets 503 and keeps its grant', async t => {
  const clock = wallClock(t)
  const store = documentsInMemory()
  const hosts = await rehosted(t)
  const clientId = 'https://app.example.com/client.json'
  const document = { client_id: clientId, client_name: 'App', redirect_uris: [redirectUri] }
  hosts.answer(clientId, document)
  const start = async (): Promise<FastifyInstance> => {
    const app = Fastify()
    t.teardown(() => app.close())
    const { fetchDocument } = hosts
    await app.register(oauthServer, {
      publicUrl, jwtSecret: secret, apiKeys: [adaKey], documents: store, fetchDocument
    })
    return app
  }
  const { refreshToken } = await signIn(await start(), { clientId })
  const refresh = { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken }

  const restarted = await start()
  hosts.answer(clientId, (_request, response) => { response.writeHead(503).end() })
  for (let tries = 0; tries < 2; tries++) {
    const refused = await token(restarted, refresh)
    t.match(refused, { status: 503, body: { error: 'temporarily_unavailable' } })
    t.equal(refused.headers['retry-after'], '60')
  }
  clock.advance(61)
  hosts.answer(clientId, document)
  t.equal((await token(restarted, refresh)).status, 200)

  const withdrawn = await start()
  hosts.answer(clientId, (_request, response) => { response.writeHead(404).end() })
  t.match(await token(withdrawn, refresh), { status: 401, body: { error: 'invalid_client' } })
})
