/** Client ID metadata documents: valid URLs, fetching and caching. */
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { isPublicAddress } from '../../../../src/net/public-address.js'
import { createClientDocuments, isDocumentUrl } from '../../../../src/oauth/server/clients/documents.js'
import { createGuardedFetch } from '../../../../src/oauth/server/clients/guarded-fetch.js'
import { jsonAnswer, rehosted } from '../../../support/rehosted.js'
import { wallClock } from '../../../support/wall-clock.js'

const id = 'https://app.example.com/client.json'
const document = { client_id: id, client_name: 'App', redirect_uris: ['https://app.example.com/callback'] }
const limits = { maxBytes: 5120, timeoutMs: 5000 }

for (const url of [
  'http://app.example.com/client.json',
  'https://app.example.com',
  'https://app.example.com/',
  'https://user@app.example.com/c',
  'https://app.example.com/c#f',
  'https://app.example.com/a/../c',
  'https://app.example.com/a/%2e%2e/c',
  'https://app.example.com/./c',
  'https://APP.example.com/c',
  'https://app.example.com:443/c',
  'https://app.example.com/a\\c',
  'https://[::1]/c',
  'https://app.example.com/c d',
  'ftp://app.example.com/c',
  `https://app.example.com/${'c'.repeat(1000)}`
]) {
  t.test(`${url.slice(0, 60)} is not a valid document URL`, async t => {
    t.notOk(isDocumentUrl(url))
  })
}

for (const address of [
  '127.0.0.1',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '192.0.2.1',
  '198.18.0.1',
  '::1',
  '::',
  'fe80::1',
  'fc00::1',
  'fd00:ec2::254',
  '::ffff:127.0.0.1',
  '::ffff:169.254.169.254',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001::1',
  '::7f00:1',
  'ff02::1',
  '2001:db8::1',
  'nonsense',
  ''
]) {
  t.test(`${address || 'an empty text'} is not a public address, directly or by name`, async t => {
    t.notOk(isPublicAddress(address))
    const family = address.includes(':') ? 6 : 4
    const fetchDocument = createGuardedFetch({
      resolve: (_name, callback) => {
        callback(null, [
          { address: '8.8.8.8', family: 4 },
          { address, family }
        ])
      }
    })
    await t.rejects(fetchDocument(new URL(id), limits), {
      name: 'DocumentFetchError',
      message: 'its host is not on the public internet'
    })
  })
}

for (const host of [
  '127.0.0.1',
  '[::1]',
  '169.254.169.254',
  '2130706433',
  '0x7f.1',
  '[::ffff:a9fe:a9fe]',
  'localhost'
]) {
  t.test(`nothing is fetched from ${host}`, async t => {
    let asked = 0
    const server = createServer(socket => {
      asked += 1
      socket.destroy()
    })
    server.listen(0)
    await once(server, 'listening')
    t.teardown(() => server.close())
    const url = new URL(`https://${host}:${(server.address() as AddressInfo).port}/client.json`)
    await t.rejects(createGuardedFetch()(url, limits), { name: 'DocumentFetchError' })
    t.equal(asked, 0)
  })
}

t.test('an https URL with a path is a valid document URL', async t => {
  for (const url of [
    id,
    'https://claude.ai/oauth/mcp-oauth-client-metadata',
    'https://localhost:8443/c?version=1'
  ]) { t.ok(isDocumentUrl(url), url) }
})

t.test('public addresses are public', async t => {
  for (const address of ['8.8.8.8', '160.79.104.1', '2606:4700::1111']) t.ok(isPublicAddress(address), address)
})

for (const [what, answer, why] of [
  [
    'a redirect',
    (_: unknown, response: { writeHead: (...args: unknown[]) => { end: () => void } }) => {
      response.writeHead(302, { location: 'https://app.example.com/other.json' }).end()
    },
    'it answered 302'
  ],
  [
    'an error',
    (_: unknown, response: { writeHead: (...args: unknown[]) => { end: () => void } }) => {
      response.writeHead(503).end()
    },
    'it answered 503'
  ],
  [
    'HTML',
    (_: unknown, response: { writeHead: (...args: unknown[]) => { end: (text: string) => void } }) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>')
    },
    'its answer is not declared as JSON'
  ],
  [
    'half a document',
    (_: unknown, response: { writeHead: (...args: unknown[]) => { end: (text: string) => void } }) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"client_id":')
    },
    'its answer is not JSON'
  ],
  [
    '10 MB',
    (_: unknown, response: { writeHead: (...args: unknown[]) => { end: (text: string) => void } }) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('x'.repeat(10_000_000))
    },
    'its answer is larger than 5120 bytes'
  ],
  [
    'a compressed bomb',
    (_: unknown, response: { writeHead: (...args: unknown[]) => { end: (text: string) => void } }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('x')
    },
    'its answer is compressed'
  ]
] as const) {
  t.test(`${what} is not accepted as a document`, async t => {
    const hosts = await rehosted(t)
    hosts.answer(id, answer as never)
    await t.rejects(hosts.fetchDocument(new URL(id), limits), { name: 'DocumentFetchError', message: why })
  })
}

t.test('a document with a byte order mark is accepted', async t => {
  const hosts = await rehosted(t)
  hosts.answer(id, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('\ufeff{"client_name":"App"}')
  })
  t.match(await hosts.fetchDocument(new URL(id), limits), { json: { client_name: 'App' } })
})

t.test('a host that never ends its answer is abandoned', async t => {
  const hosts = await rehosted(t, { timeoutMs: 50 })
  hosts.answer(id, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{')
  })
  await t.rejects(hosts.fetchDocument(new URL(id), limits), {
    message: 'it did not answer in time'
  })
})

t.test('an untrusted certificate is refused', async t => {
  const hosts = await rehosted(t)
  hosts.answer('https://evil.example.com/client.json', document)
  await t.rejects(hosts.fetchDocument(new URL('https://evil.example.com/client.json'), limits), {
    message: 'it cannot be reached'
  })
})

for (const [what, change] of [
  ['another client_id', { client_id: 'https://app.example.com/other.json' }],
  ['no client_id', { client_id: undefined }],
  ['no name', { client_name: undefined }],
  ['no redirects', { redirect_uris: undefined }],
  ['a redirect over http', { redirect_uris: ['http://app.example.com/callback'] }],
  ["a scheme of an app's own", { redirect_uris: ['app://callback'] }],
  ['a secret', { client_secret: 'a secret' }],
  ['a method with a secret', { token_endpoint_auth_method: 'client_secret_post' }],
  ['no way to prove itself', { token_endpoint_auth_method: 'private_key_jwt' }]
] as const) {
  t.test(`a document with ${what} gives no client and is cached for a minute`, async t => {
    const clock = wallClock(t)
    const hosts = await rehosted(t)
    hosts.answer(id, { ...document, ...change })
    const documents = createClientDocuments(hosts)
    t.equal(await documents.find(id), undefined)
    t.equal(await documents.find(id), undefined)
    t.equal(hosts.requests.length, 1)
    clock.advance(61)
    hosts.answer(id, document)
    t.match(await documents.find(id), { id, name: 'App', source: 'document' })
  })
}

t.test('concurrent look-ups fetch once, and the document is cached for an hour', async t => {
  const clock = wallClock(t)
  const hosts = await rehosted(t)
  hosts.answer(id, jsonAnswer(document, { 'cache-control': 'no-store' }))
  const documents = createClientDocuments(hosts)
  const found = await Promise.all(Array.from({ length: 10 }, async () => await documents.find(id)))
  t.ok(found.every(client => client?.name === 'App'))
  clock.advance(3599)
  await documents.find(id)
  t.equal(hosts.requests.length, 1)
  clock.advance(2)
  await documents.find(id)
  t.equal(hosts.requests.length, 2)
})

t.test('a document is cached as its headers say, for at most seven days', async t => {
  const clock = wallClock(t)
  const hosts = await rehosted(t)
  hosts.answer(id, jsonAnswer(document, { 'cache-control': 'public, max-age=31536000' }))
  const documents = createClientDocuments(hosts)
  await documents.find(id)
  clock.advance(7 * 86_400 - 10)
  await documents.find(id)
  t.equal(hosts.requests.length, 1)
  clock.advance(20)
  await documents.find(id)
  t.equal(hosts.requests.length, 2)
})

for (const [what, answer] of [
  [
    'away',
    (_: unknown, response: { destroy: () => void }) => {
      response.destroy()
    }
  ],
  [
    'broken',
    (_: unknown, response: { writeHead: (status: number) => { end: () => void } }) => {
      response.writeHead(503).end()
    }
  ]
] as const) {
  t.test(`a document that is ${what} is used for seven more days`, async t => {
    const clock = wallClock(t)
    const hosts = await rehosted(t)
    hosts.answer(id, document)
    const documents = createClientDocuments(hosts)
    await documents.find(id)
    hosts.answer(id, answer as never)
    clock.advance(3601)
    t.match(await documents.find(id), { name: 'App' })
    clock.advance(6 * 86_400)
    t.match(await documents.find(id), { name: 'App' })
    clock.advance(2 * 86_400)
    t.equal(await documents.find(id), undefined)
  })
}

t.test('a withdrawn document is not used', async t => {
  const clock = wallClock(t)
  const hosts = await rehosted(t)
  hosts.answer(id, document)
  const documents = createClientDocuments(hosts)
  await documents.find(id)
  hosts.answer(id, (_request, response) => { response.writeHead(410).end() })
  clock.advance(3601)
  t.equal(await documents.find(id), undefined)
})
