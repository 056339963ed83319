/** Addresses that share a bucket. */
import t from 'tap'
import { createAddressKeys } from '../../../src/limits/address-key.js'
import { heldBy } from '../../support/heap.js'

const same: Array<[string, string | undefined, string]> = [
  ['IPv4', '192.0.2.1', '192.0.2.1'],
  ['IPv4 in IPv6', '::ffff:192.0.2.1', '192.0.2.1'],
  ['IPv4 in IPv6 in capitals', '::FFFF:192.0.2.1', '192.0.2.1'],
  ['IPv4 in IPv6 in hex', '::ffff:c000:201', '192.0.2.1'],
  ['IPv4 in long IPv6', '0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['IPv4 with a port', '192.0.2.1:4711', '192.0.2.1'],
  ['IPv6', '2001:db8:1:2::1', '2001:db8:1:2::'],
  ['IPv6 of the same /64', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::'],
  ['IPv6 in capitals', '2001:DB8:1:2::ABCD', '2001:db8:1:2::'],
  ['IPv6 with a port', '[2001:db8:1:2::1]:4711', '2001:db8:1:2::'],
  ['IPv6 in brackets', '[2001:db8:1:2::1]', '2001:db8:1:2::'],
  ['IPv6 with a zone', 'fe80::1%eth0', 'fe80::'],
  ['IPv6 with a zone of any length', `fe80::1%${'e'.repeat(10_000)}`, 'fe80::'],
  ['no address', undefined, 'unknown'],
  ['an empty text', '', 'unknown'],
  ['a name', 'unknown-host', 'unknown'],
  ['an IPv4 address out of range', '999.0.2.1', 'unknown'],
  ['100 KB of garbage', 'x'.repeat(100_000), 'unknown']
]

for (const [what, ip, key] of same) {
  t.test(`${what} is counted under its canonical key`, async (t) => {
    const addressKey = createAddressKeys()
    t.equal(addressKey(ip), key)
    t.equal(addressKey(ip), key, 'the same on the second call')
  })
}

t.test('another /64 has another bucket', async (t) => {
  const addressKey = createAddressKeys()
  t.not(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:3::1'))
})

t.test('keys are stable beyond the size of the cache', async (t) => {
  const addressKey = createAddressKeys()
  for (let i = 0; i < 10_100; i++) addressKey(`2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`)
  t.equal(addressKey('2001:db8:0:1::1'), '2001:db8:0:1::')
})

t.test('the cache of addresses is bounded', async (t) => {
  const addressKey = createAddressKeys()
  const zone = 'e'.repeat(2000)
  const held = await heldBy(() => { for (let i = 0; i < 10_100; i++) addressKey(`fe80::1%${zone}${i}`) })
  t.ok(held < 8, `holds ${held} MB`)
  t.equal(addressKey('fe80::1'), 'fe80::')
})
