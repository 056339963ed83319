/** Request ids: which ones a proxy may set, and where they are returned. */
import { type AddressInfo, connect } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { serverOptions } from '../../../../src/http/server-options.js'
import { createRequestIds } from '../../../../src/http/request/request-id.js'
import { service } from '../../../support/service.js'
import type { IncomingMessage } from 'node:http'

const uuid = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

function idOf (trustProxy: readonly string[], remoteAddress: string | undefined, id: string | undefined): string {
  return createRequestIds(trustProxy)({
    headers: { 'x-request-id': id },
    socket: { remoteAddress }
  } as unknown as IncomingMessage)
}

for (const [proxy, address] of [
  ['10.0.0.5', '10.0.0.5'], ['10.0.0.0/8', '10.1.2.3'], ['10.0.0.0/8', '::ffff:10.1.2.3'], ['loopback', '127.0.0.1'],
  ['loopback', '::1'], ['uniquelocal', '192.168.1.1'], ['uniquelocal', 'fd00::1'], ['2001:db8::/32', '2001:db8::7']
] as const) {
  t.test(`the X-Request-Id from ${address} is kept if TRUST_PROXY is ${proxy}`, async t => {
    t.equal(idOf([proxy], address, 'edge-0001'), 'edge-0001')
  })
}

for (const [proxy, address] of [
  ['10.0.0.5', '10.0.0.6'],
  ['loopback', '10.0.0.1'],
  ['uniquelocal', '8.8.8.8'],
  ['loopback', undefined],
  [undefined, '127.0.0.1']
] as const) {
  t.test(
    `the X-Request-Id from ${address ?? 'an unknown peer'} is replaced if TRUST_PROXY is ${proxy ?? 'empty'}`,
    async t => {
      t.match(idOf(proxy === undefined ? [] : [proxy], address, 'edge-0001'), uuid)
    }
  )
}

for (const id of [
  '',
  'short-1',
  'x'.repeat(65),
  'edge 0001',
  'edge-0001\n',
  'edge-0001, other',
  'édge-0001',
  '../../etc/passwd',
  '{"a":1}..',
  undefined
]) {
  t.test(`a proxy's X-Request-Id of ${JSON.stringify(id)} is replaced`, async t => {
    t.match(idOf(['loopback'], '127.0.0.1', id), uuid)
  })
}

t.test('two X-Request-Id headers are replaced', async t => {
  t.match(
    createRequestIds(['loopback'])({
      headers: { 'x-request-id': ['edge-0001', 'edge-0002'] },
      socket: { remoteAddress: '127.0.0.1' }
    } as never),
    uuid
  )
})

t.test('the id in the answer, body and log line is the same', async t => {
  const app = await service(t)
  for (const url of ['/mcp', '/unknown', '/%zz', '/health']) {
    const response = await app.inject({ url, headers: { 'x-request-id': 'forged-by-a-caller' } })
    const id = response.headers['x-request-id']
    t.match(id, uuid, url)
    if (response.statusCode >= 400) t.ok(response.body.includes(String(id)), url)
  }
})

t.test('an error of the HTTP parser has an id as well', async t => {
  const app = Fastify(serverOptions({ logLevel: 'silent' }))
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const answer = await new Promise<string>((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => { socket.write('NO HTTP\r\n\r\n') })
    socket
      .setEncoding('utf8')
      .on('data', part => {
        text += String(part)
      })
      .on('end', () => {
        resolve(text)
      })
      .on('error', reject)
  })
  const [, id = ''] = /^x-request-id: (.*)\r$/m.exec(answer) ?? []
  t.match(id, uuid)
  t.ok(answer.includes(`"requestId":"${id}"`))
})

t.test("a host's id that is invalid in a header is omitted", async t => {
  const { default: errors } = await import('../../../../plugins/errors.js')
  const app = Fastify({ genReqId: () => 'two\nlines' })
  t.teardown(() => app.close())
  await app.register(errors)
  t.notOk('x-request-id' in (await app.inject('/unknown')).headers)
})
