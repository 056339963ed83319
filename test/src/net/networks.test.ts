/** Addresses and networks. */
import t from 'tap'
import { covers, createAddressReader, parseNetwork } from '../../../src/net/networks.js'
import { heldBy } from '../../support/heap.js'

function isIn (address: string, ...networks: string[]): boolean {
  return covers(networks.map(parseNetwork).filter(network => network !== undefined), createAddressReader()(address))
}

const cases: Array<[string, string[], boolean]> = [
  ['192.0.2.1', [], true],
  ['no address', [], true],
  ['192.0.2.1', ['192.0.2.0/24'], true],
  ['192.0.3.1', ['192.0.2.0/24'], false],
  ['192.0.3.1', ['192.0.2.0/24', '192.0.3.0/24'], true],
  ['192.0.2.1', ['192.0.2.1'], true],
  ['192.0.2.2', ['192.0.2.1'], false],
  ['192.0.2.77', ['192.0.2.1/24'], true],
  ['203.0.113.9', ['0.0.0.0/0'], true],
  ['2001:db8::1', ['0.0.0.0/0'], false],
  ['192.0.2.1', ['::/0'], false],
  ['::ffff:192.0.2.1', ['192.0.2.0/24'], true],
  ['::ffff:c000:201', ['192.0.2.0/24'], true],
  ['::ffff:192.0.3.1', ['192.0.2.0/24'], false],
  ['2001:db8::1', ['2001:db8::/32'], true],
  ['2001:DB8:0::1', ['2001:db8::1'], true],
  ['2001:db9::1', ['2001:db8::/32'], false],
  ['fe80::1%eth0', ['fe80::/10'], true],
  ['192.0.2.1:4711', ['192.0.2.0/24'], true],
  ['[2001:db8::1]:4711', ['2001:db8::/32'], true],
  ['no address', ['0.0.0.0/0', '::/0'], false],
  ['', ['0.0.0.0/0'], false],
  ['192.0.2.1, 10.0.0.1', ['10.0.0.0/8'], false]
]

for (const [address, networks, inside] of cases) {
  t.test(
    `${JSON.stringify(address)} is ${inside ? 'in' : 'not in'} ${networks.join(' or ') || 'a key without networks'}`,
    async t => {
      t.equal(isIn(address, ...networks), inside)
    }
  )
}

for (const text of [
  '',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '10.1',
  '010.0.0.1',
  '0x0a.0.0.1',
  '10.0.0.1-9',
  '*',
  'localhost',
  '2001:db8::/129',
  'fe80::1%eth0',
  '::ffff:10.0.0.0/104',
  ' 10.0.0.1'
]) {
  t.test(`${JSON.stringify(text)} is not a network`, async t => {
    t.equal(parseNetwork(text), undefined)
  })
}

t.test('an address is parsed the same when it is cached', async t => {
  const read = createAddressReader()
  const networks = [parseNetwork('192.0.2.0/24')].filter(network => network !== undefined)
  t.ok(covers(networks, read('192.0.2.1')))
  for (let i = 0; i < 3000; i++) read(`10.0.${i >> 8}.${i & 255}`)
  t.ok(covers(networks, read('192.0.2.1')))
  t.notOk(covers(networks, read('10.0.0.1')))
})

t.test('the cache of addresses is bounded', async t => {
  const read = createAddressReader()
  const zone = 'e'.repeat(10_000)
  const held = await heldBy(() => { for (let i = 0; i < 2100; i++) read(`fe80::1%${zone}${i}`) })
  t.ok(held < 8, `holds ${held} MB`)
  t.not(read('fe80::1'), null)
})
