/** A caller's id as a header value and as a digest. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { digestOfCaller, headerValueOf } from '../../../src/upstreams/transport/identity.js'

const cases: ReadonlyArray<readonly [string, string]> = [
  ['jwt:ada', 'jwt:ada'],
  ['oauth@https://id.example:ada|1', 'oauth@https://id.example:ada|1'],
  ['jwt:Zoë', 'jwt:Zo%C3%AB'],
  ['jwt:😀', 'jwt:%F0%9F%98%80'],
  ['jwt:a b\t', 'jwt:a%20b%09'],
  ['jwt:a\r\nX-Admin: 1', 'jwt:a%0D%0AX-Admin:%201'],
  ['jwt:\0\u007f\u0085\u2028', 'jwt:%00%7F%C2%85%E2%80%A8'],
  ['jwt:100%', 'jwt:100%25'],
  ['jwt:%ED%A0%80', 'jwt:%25ED%25A0%2580'],
  ['jwt:\ud800', 'jwt:%ED%A0%80'],
  ['jwt:\ud801', 'jwt:%ED%A0%81'],
  ['jwt:\udfff', 'jwt:%ED%BF%BF'],
  ['jwt:\ud83dx\ude00', 'jwt:%ED%A0%BDx%ED%B8%80'],
  ['jwt:\ufffd', 'jwt:%EF%BF%BD']
]

for (const [id, value] of cases) {
  t.test(`headerValueOf returns ${value}`, async t => {
    t.equal(headerValueOf(id), value)
    t.equal(new Headers({ 'x-caller': headerValueOf(id) }).get('x-caller'), value)
  })
}

t.test('the digests of all ids differ', async t => {
  const ids = cases.flat()
  t.equal(new Set(ids.map(digestOfCaller)).size, new Set(ids).size)
  for (const id of ids) t.match(digestOfCaller(id), /^[0-9a-f]{32}$/)
})

t.test('the digest of a well-formed id is that of its UTF-8', async t => {
  for (const id of ['jwt:ada', 'jwt:Zoë 100%', 'jwt:😀']) {
    t.equal(digestOfCaller(id), createHash('sha256').update(id, 'utf8').digest('hex').slice(0, 32))
  }
})
