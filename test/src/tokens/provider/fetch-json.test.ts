/** Answers of a provider that are accepted or refused, on real sockets. */
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { isSafeUrl } from '../../../../src/net/loopback.js'
import { fetchJson, ProviderError } from '../../../../src/tokens/provider/fetch-json.js'
import { fakeIssuer, json } from '../../../support/issuer.js'
import type { IncomingMessage, ServerResponse } from 'node:http'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const asJson = { 'content-type': 'application/json' }
const fourMegabytes = JSON.stringify({ keys: ['x'.repeat(4_000_000)] })

for (const type of [
  'application/json',
  'application/json; charset=utf-8',
  'application/jwk-set+json',
  'Application/JSON',
  'text/plain',
  'application/octet-stream',
  'text/html',
  undefined
]) {
  t.test(`JSON of type ${type ?? 'none'} is accepted`, async t => {
    const fake = await fakeIssuer(t)
    fake.answer('/doc', (_request, response) => {
      response.writeHead(200, type === undefined ? {} : { 'content-type': type }).end('{"a":1}')
    })
    t.same(await fetchJson(new URL(`${fake.issuer}/doc`), AbortSignal.timeout(60_000)), { a: 1 })
  })
}

t.test('JSON after a byte order mark is accepted', async t => {
  const fake = await fakeIssuer(t)
  fake.answer('/doc', (_request, response) => { response.writeHead(200, asJson).end('\uFEFF{"a":1}') })
  t.same(await fetchJson(new URL(`${fake.issuer}/doc`), AbortSignal.timeout(60_000)), { a: 1 })
})

const refused: Array<[string, Answer, RegExp]> = [
  [
    'HTML',
    (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
    },
    /not JSON/
  ],
  [
    'HTML that says it is JSON',
    (_request, response) => {
      response.writeHead(200, asJson).end('<html>')
    },
    /not JSON/
  ],
  [
    'nothing',
    (_request, response) => {
      response.writeHead(200, asJson).end()
    },
    /not JSON/
  ],
  [
    '204',
    (_request, response) => {
      response.writeHead(204).end()
    },
    /204/
  ],
  ['404 with keys', json({ keys: [] }, 404), /404/],
  ['500', json({}, 500), /500/],
  [
    '10 MB, and says so',
    (_request, response) => {
      response.writeHead(200, { ...asJson, 'content-length': 10_000_000 }).write('{')
    },
    /too large/
  ],
  [
    '10 MB, and does not say so',
    (_request, response) => {
      response.writeHead(200, asJson)
      for (let i = 0; i < 10; i++) response.write(' '.repeat(1_000_000))
      response.end('{}')
    },
    /too large/
  ],
  [
    'a bomb',
    (_request, response) => {
      response.writeHead(200, { ...asJson, 'content-encoding': 'gzip' }).end(gzipSync(fourMegabytes))
    },
    /too large/
  ],
  [
    'half an answer',
    (_request, response) => {
      response.writeHead(200, { ...asJson, 'content-length': 100 })
      response.write('{', () => response.destroy())
    },
    /was cut off/
  ],
  [
    'nothing but a closed connection',
    (_request, response) => {
      response.destroy()
    },
    /cannot be reached/
  ]
]

for (const [what, answer, reason] of refused) {
  t.test(`${what} is refused`, async (t) => {
    const fake = await fakeIssuer(t)
    fake.answer('/doc', answer)
    const error = await fetchJson(new URL(`${fake.issuer}/doc`), AbortSignal.timeout(60_000)).catch(
      (error: unknown) => error
    )
    t.ok(error instanceof ProviderError)
    t.match(error, { message: reason })
  })
}

for (const status of [301, 302, 303, 307, 308]) {
  t.test(`a redirect by ${status} is not followed`, async (t) => {
    const fake = await fakeIssuer(t)
    fake.answer('/elsewhere', json({ keys: [] }))
    fake.answer('/doc', (_request, response) => {
      response.writeHead(status, { ...asJson, location: `${fake.issuer}/elsewhere` }).end('{"keys":[]}')
    })
    await t.rejects(fetchJson(new URL(`${fake.issuer}/doc`), AbortSignal.timeout(60_000)), {
      message: `it answered ${status}`
    })
    t.same(fake.requests, ['/doc'])
  })
}

for (const [what, answer] of [
  ['never begins', () => {}],
  [
    'never ends',
    (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, asJson).write('{')
    }
  ]
] as Array<[string, Answer]>) {
  t.test(`an answer that ${what} is abandoned with the signal`, async t => {
    const fake = await fakeIssuer(t)
    fake.answer('/doc', answer)
    await t.rejects(fetchJson(new URL(`${fake.issuer}/doc`), AbortSignal.timeout(100)), {
      message: 'it did not answer in time'
    })
  })
}

for (const [url, isSafe] of [
  ['https://id.example.com/jwks', true],
  ['http://localhost:8080/jwks', true],
  ['http://127.0.0.1/jwks', true],
  ['http://127.8.9.1/jwks', true],
  ['http://[::1]:80/jwks', true],
  ['http://id.example.com/jwks', false],
  ['http://localhost.example.com/', false],
  ['http://127.0.0.1.example.com/', false],
  ['http://0.0.0.0/', false],
  ['http://10.0.0.1/', false],
  ['http://169.254.169.254/', false],
  ['file:///etc/passwd', false],
  ['data:application/json,{}', false],
  ['ftp://localhost/', false],
  ['https://u:p@id.example.com/', false]
] as const) {
  t.test(`${url} is ${isSafe ? '' : 'not '}a safe URL`, async t => {
    t.equal(isSafeUrl(new URL(url)), isSafe)
  })
}
