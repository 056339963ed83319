/** A line of the journal: whole, torn or damaged. */
import t from 'tap'
import { lineOf, readLine } from '../../../../src/ledger/file/line.js'

const record = { kind: 'key-revoked', id: 'ключ 🔑', at: 1, by: { principal: 'cli' } }
const line = lineOf(record).trim()

t.test('readLine returns what lineOf wrote', async t => {
  t.same(readLine(line), { value: record })
  t.match(lineOf(record), /^\n[\x20-\x7e]+\n$/)
})

t.test('every prefix of a line is torn', async t => {
  for (let length = 1; length < line.length; length++) {
    if (readLine(line.slice(0, length)) !== 'torn') t.fail(`${length} characters`)
  }
  t.pass()
})

for (const [what, text] of [
  ['text', 'garbage'],
  ['JSON alone', JSON.stringify(record)],
  ['NULs', '\0'.repeat(20)],
  ['one character changed', line.replace('key-revoked', 'key-revokes')],
  ['one character more', `${line} `],
  ['another length', line.replace(/^\d+/, '20')],
  ['another checksum', line.replace(/ [0-9a-f]{16} /, ' 0000000000000000 ')],
  ['a line after a torn line', `${line.slice(0, 30)}${line}`]
] as const) {
  t.test(`${what} is damaged`, async t => {
    t.equal(readLine(text), 'damaged')
  })
}
