/** The format of managed keys. Its checksum detects mistyped keys without a lookup. */
import t from 'tap'
import { sha256 } from '../../../src/lib/sha256.js'
import { keyIdOf, mintKey, shapeOf } from '../../../src/api-keys/format.js'

t.test('mintKey returns id, 190-bit secret, checksum and digest', async t => {
  const { id, key, digest } = mintKey()
  t.match(key, /^mcp_[g-z][0-9a-z]{11}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}$/)
  t.equal(keyIdOf(key), id)
  t.equal(digest, sha256(key))
  t.equal(shapeOf(key), 'managed')
})

t.test('no two keys share an id or a secret', async t => {
  const keys = Array.from({ length: 1000 }, () => mintKey())
  t.equal(new Set(keys.map(({ id }) => id)).size, 1000)
  t.equal(new Set(keys.map(({ key }) => key.split('_')[2])).size, 1000)
})

t.test('mintKey with an id keeps it and changes the secret', async t => {
  const first = mintKey()
  const second = mintKey(first.id)
  t.equal(second.id, first.id)
  t.not(second.key, first.key)
})

/** CRC-32 computed bit by bit, as in its definition. */
function crc32 (text: string): number {
  let crc = ~0
  for (const byte of Buffer.from(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1
  }
  return ~crc >>> 0
}

t.test('the checksum is a standard CRC-32', async t => {
  t.equal(crc32('123456789'), 0xcbf43926)
  const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  for (let i = 0; i < 100; i++) {
    const { key } = mintKey()
    const number = [...key.slice(-6)].reduce((sum, letter) => sum * 62 + letters.indexOf(letter), 0)
    t.equal(number, crc32(key.slice(0, -7)))
  }
})

t.test('a key with any one character mistyped is damaged', async t => {
  const { key } = mintKey()
  for (let i = 17; i < key.length; i++) {
    const mistyped = key.slice(0, i) + (key[i] === 'x' ? 'y' : 'x') + key.slice(i + 1)
    if (mistyped !== key) t.equal(shapeOf(mistyped), 'damaged', `at ${i}`)
  }
})

const { key } = mintKey('k00000000000')
const shapes: Array<[string, string, string]> = [
  ['a key cut off', key.slice(0, -1), 'damaged'],
  ['a key with something behind it', `${key}a`, 'damaged'],
  ['a key with a line break behind it', `${key}\n`, 'damaged'],
  [
    'two characters that changed places',
    key.replace(
      /(.)(.)_(......)$/,
      (_, a: string, b: string, sum: string) => `${b}${a}${a === b ? 'x' : ''}_${sum}`
    ),
    'damaged'
  ],
  ['another id before the same secret', key.replace('k00000000000', 'k00000000001'), 'damaged'],
  ['a key in capitals', key.toUpperCase(), 'foreign'],
  ['a key of the first set-up', 'mcp_3q2-7wDq3q2-7wDq3q2-7wDq3q2-7wDq3q2-7wDq3q2', 'foreign'],
  ['any other text', 'a-key-of-somebody-else', 'foreign'],
  ['nothing', '', 'foreign']
]

for (const [what, text, shape] of shapes) {
  t.test(`${what} is ${shape}`, async t => {
    t.equal(shapeOf(text), shape)
    t.equal(keyIdOf(text), undefined)
  })
}
