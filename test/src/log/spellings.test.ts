/** A secret is redacted in every encoding in which a log line may contain it. */
import t from 'tap'
import { createRedactor } from '../../../src/log/redact.js'
import { printableLine } from '../../../src/log/printable-line.js'

const secret = 'pa/ss+"word" of ünser&1'
const plain = 'a-plain-old-key-of-ours'
const hex = (text: string): string => [...Buffer.from(text)].map(byte => byte.toString(16).padStart(2, '0')).join('')
const allEscaped = (text: string): string => hex(text).replace(/../g, '%$&')
const unicode = (text: string): string => hex(text).replace(/../g, '\\u00$&')
const base64 = (text: string, lead: string): string => Buffer.from(`${lead}${text}-and-more`).toString('base64')

const spellings: Array<[what: string, text: string]> = [
  ['as it is', secret],
  ['in JSON', JSON.stringify({ secret })],
  ['in JSON inside of JSON', JSON.stringify(JSON.stringify({ secret }))],
  ['percent-encoded', `/x?y=${encodeURIComponent(secret)}`],
  ['percent-encoded as a form', `y=${encodeURIComponent(secret).replaceAll('%20', '+')}`],
  ['percent-encoded without need', `/x/${allEscaped(plain)}/z`],
  ['percent-encoded in part', `/x/${plain.replace('p', '%70')}/z`],
  ['percent-encoded in capitals', `/x/${allEscaped(plain).toUpperCase()}`],
  ['percent-encoded twice', `/x/${allEscaped(plain).replaceAll('%', '%25')}`],
  ['escaped in JSON without need', unicode(plain)],
  ['escaped in HTML', plain.replaceAll('-', '&#45;')],
  ['in base64', base64(secret, '')],
  ['in base64, shifted by one byte', base64(secret, 'x')],
  ['in base64, two bytes on', base64(secret, 'xy')],
  ['in base64url', Buffer.from(secret).toString('base64url')]
]

const redact = createRedactor([secret, plain])
for (const [what, text] of spellings) {
  t.test(`a secret ${what} is redacted, and the line stays JSON`, async t => {
    const out = redact(JSON.stringify({ level: 30, text, last: 'kept' }))
    t.match(out, /\[redacted\]/)
    t.equal(JSON.parse(out).last, 'kept')
    t.notMatch(decodeURIComponent(out.replaceAll('%25', '%')), plain)
  })
}

t.test('a token in a doubly escaped path is redacted', async t => {
  t.match(redact(JSON.stringify({ path: '/x/%256d%2563p_ab12cd34_Zm9vYmFyYmF6cXV4' })), /"path":"\[redacted\]"/)
})

t.test('unrelated escapes are unchanged', async t => {
  const line = JSON.stringify({ path: '/caf%C3%A9/%zz', text: 'a\\u0041b &#65; \u0001 \\"%41\\"', end: '%41\\' })
  t.equal(redact(line), line)
})

t.test('the time for a line grows linearly with its length', async t => {
  const timeOf = (text: string): number => {
    const started = process.cpuUsage().user
    redact(JSON.stringify({ text, last: '%41' }))
    return process.cpuUsage().user - started
  }
  for (const unit of ['a', '\\', '%', '%4', '&#', '\\u00', 'eyJ', 'mcp_', 'bearer ', '"cookie":"', '=']) {
    // Quadratic work would take minutes here.
    t.ok(timeOf(unit.repeat(300_000 / unit.length)) < 20_000_000, unit)
  }
})

const marks: Array<[what: string, character: string]> = [
  ['a C1 control', '\u009b'],
  ['DEL', '\u007f'],
  ['a line separator', '\u2028'],
  ['a paragraph separator', '\u2029'],
  ['a right-to-left override', '\u202e'],
  ['an isolate', '\u2066'],
  ['a mark', '\u200f'],
  ['a byte order mark', '\ufeff']
]
for (const [what, character] of marks) {
  t.test(`${what} is escaped without changing the meaning of the line`, async t => {
    const line = JSON.stringify({ text: `a${character}b`, [character]: 1 })
    const out = printableLine(`${line}\n`)
    t.notOk(out.includes(character))
    t.same(JSON.parse(out), JSON.parse(line))
  })
}

t.test('a long line is truncated, stays JSON and keeps short fields', async t => {
  const deep = JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`)
  const line = JSON.stringify({
    level: 30,
    reqId: 'r-1',
    text: 'x'.repeat(1_000_000),
    list: new Array(10_000).fill('y'.repeat(50)),
    deep,
    msg: 'request'
  })
  const out = printableLine(`${line}\n`)
  t.ok(out.length < 40_000)
  t.match(JSON.parse(out), { level: 30, reqId: 'r-1', msg: 'request', text: /^x+…$/ })
  t.ok(out.endsWith('}\n'))
})

t.test('an ordinary line is unchanged', async t => {
  const line = `${JSON.stringify({ level: 30, path: '/mcp', name: 'Zoë 名前', stack: 'Error\n    at x' })}\n`
  t.equal(printableLine(line), line)
})
