/** The address of a caller, as a trusted proxy gives it. */
import Fastify from 'fastify'
import t from 'tap'
import { ipOf } from '../../../../src/http/request/client-address.js'

const addresses: Array<[string, string]> = [
  ['203.0.113.7', '203.0.113.7'],
  ['2001:db8::1', '2001:db8::1'],
  ['ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%eth0', 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%eth0'],
  ['x'.repeat(64), 'x'.repeat(64)],
  ['x'.repeat(65), 'unknown'],
  [`203.0.113.7${' '.repeat(2)}${'x'.repeat(9000)}`, 'unknown']
]
for (const [given, expected] of addresses) {
  t.test(`X-Forwarded-For of ${given.slice(0, 20)}… (${given.length}) is ${expected.slice(0, 20)}`, async t => {
    const app = Fastify({ trustProxy: 'loopback' })
    t.teardown(() => app.close())
    app.get('/', async request => ({ ip: ipOf(request), again: ipOf(request) }))
    t.same((await app.inject({ url: '/', headers: { 'x-forwarded-for': given } })).json(), {
      ip: expected,
      again: expected
    })
  })
}
