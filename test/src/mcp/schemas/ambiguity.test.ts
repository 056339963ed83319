/** Predicts from a regular expression how its matching time grows with the text. */
import t from 'tap'
import { z } from 'zod'
import { matchingDegree } from '../../../../src/mcp/schemas/ambiguity.js'

const linear = [
  '',
  'a',
  '\\S',
  '^[A-Z]{2}\\d{4}$',
  '^[a-z0-9]+(-[a-z0-9]+)*$',
  '^(a|ab)*c$',
  '^(\\d+,)*\\d+$',
  '^(?:\\/[^/]+)*$',
  '^\\s*\\S.*$',
  '^(?!\\s*$).+',
  '^(a{0,2}b)*$',
  '^(a{5})*$',
  '^(?=.*\\d)(?=.*[a-z]).{8,}$',
  '^\\d+(\\.\\d+)?$',
  '^[\\p{L}\\s]+$',
  '^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$',
  '^(?<year>\\d{4})-(?<month>\\d\\d)$',
  '^[^\\]]*\\]$',
  '^(ab|cd)+?$',
  '^\\u0041+\\x42+$',
  '^(\\d{1,3}\\.){3}\\d{1,3}$',
  '^((a|b)?){9}$',
  '^(foo|bar|baz|[0-9]{1,9}-){1,9}$',
  '^(([\\da-f]{1,4}:){7}[\\da-f]{1,4}|([\\da-f]{1,4}:){1,7}:)$'
]
const quadratic = ['\\s+$', '^[^@]+@[^@]+\\.[^@]+$', '^.*a.*$', '^\\d*\\d*$']
const steep = ['^.*a.*b.*c$', '^\\d*\\d*\\d*$']
const exponential = [
  '(a+)+$',
  '^(a|a)*$',
  '^(\\w|\\d)*$',
  '^(a*)*b',
  '^(a{1,5})*$',
  '^((a+)b?)+$',
  '^(.*,)*$',
  '(x+x+)+y',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@)',
  '^(?=(a+)+$)',
  '^(a?a?)*$',
  '^(é|[à-ü])+$',
  '^(\\s*\\w*\\s*)*$',
  '^(a+){20}$',
  // Bounded repetitions can divide a text in 10 ** 9 ways.
  '^([a-z]{0,9}){0,9}!$',
  '^((a{0,9}){0,9}){0,9}!$',
  '^(a?){9}(a?){9}(a?){9}!$',
  '^(a{1,9}b?){9}!$'
]

for (const [name, degree, sources] of [
  ['linear', 1, linear], ['quadratic', 2, quadratic], ['exponential', Infinity, exponential]
] as const) {
  for (const source of sources) {
    t.test(`matching ${source} takes ${name} time`, async t => {
      t.equal(matchingDegree(source), degree)
    })
  }
}

for (const source of steep) {
  t.test(`matching ${source} takes more than quadratic time`, async t => {
    t.equal(matchingDegree(source), 3)
  })
}

t.test('each mandatory repetition adds to the degree', async t => {
  for (const [source, degree] of [['(\\w+\\s?){5}$', 6], ['^(\\w+\\s?){9}$', 9], ['^a*a*a*a*a*a*!$', 6]] as const) {
    t.equal(matchingDegree(source), degree, source)
  }
})

t.test('each loop of a very large expression is analysed separately', async t => {
  const words = Array.from({ length: 600 }, (_, index) => `w${index}`).join('|')
  t.equal(matchingDegree(`^(${words}) a+ b+$`), 3)
  t.equal(matchingDegree(`^(${words}) (a+)+$`), Infinity)
  t.equal(matchingDegree(`^${'a{0,9}'.repeat(9)}b$`), 10)
})

t.test('a loop that is too large is not analysed', async t => {
  t.equal(
    matchingDegree(`^(${Array.from({ length: 600 }, (_, index) => `[a-z]${index % 10}*`).join('|')})*$`),
    undefined
  )
})

const { email, uuid, url, emoji, base64, base64url, nanoid, cuid, ulid, ipv4, e164, iso } = z
for (const [name, schema] of Object.entries({
  email: email(),
  uuid: uuid(),
  url: url(),
  emoji: emoji(),
  base64: base64(),
  base64url: base64url(),
  nanoid: nanoid(),
  cuid: cuid(),
  ulid: ulid(),
  ipv4: ipv4(),
  e164: e164(),
  date: iso.date(),
  time: iso.time(),
  datetime: iso.datetime(),
  duration: iso.duration()
})) {
  t.test(`the pattern of zod's ${name} is accepted`, async t => {
    const { pattern } = z.toJSONSchema(schema) as { pattern?: string }
    if (pattern !== undefined) t.not(matchingDegree(pattern), Infinity)
  })
}
