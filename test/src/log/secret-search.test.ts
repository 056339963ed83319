/** Finds known secrets anywhere in a line, and almost nothing else. */
import fc from 'fast-check'
import t from 'tap'
import { searchFor } from '../../../src/log/secret-search.js'

t.test('searchFor finds a text at every position and length', async t => {
  for (const length of [4, 5, 7, 8, 9, 15, 16, 23, 24, 31, 43, 200]) {
    const text = Array.from({ length }, (_, i) => String.fromCharCode(97 + (i * 7 + (i >> 3)) % 26)).join('')
    const holds = searchFor([text])
    for (let before = 0; before <= 40; before++) {
      t.ok(holds('-'.repeat(before) + text), `${length} characters behind ${before}`)
    }
    t.notOk(holds(`-${text.slice(0, -1).toUpperCase()}-`))
  }
})

t.test('searchFor misses no text (property)', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '"', '\\', '\u{1f511}'), minLength: 4, maxLength: 40 })
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 1, maxLength: 8 }),
      fc.nat(7),
      text,
      text,
      (texts, index, before, after) => {
        const one = texts[index % texts.length] ?? ''
        return searchFor(texts)(before + one + after)
      }
    ),
    { numRuns: 2000 }
  )
})

t.test('searchFor finds none of a thousand keys in ordinary lines', async t => {
  const holds = searchFor(
    Array.from(
      { length: 1000 },
      (_, i) => `${((i * 0x9e3779b1) >>> 0).toString(36).padStart(8, 'x')}-${'k'.repeat(20)}`
    )
  )
  const line = JSON.stringify({
    level: 30,
    time: 1_795_650_614_892,
    reqId: 'b3b2a0a0-5b5a-4b3f-9b7a-0a0a0a0a0a0a',
    method: 'POST',
    path: '/mcp',
    statusCode: 200,
    ip: '127.0.0.1',
    msg: 'request'
  })
  for (let i = 0; i < line.length; i++) t.notOk(holds(line.slice(i)))
  t.notOk(holds(''))
})

t.test('searchFor refuses a text under four characters', async t => {
  t.throws(() => searchFor(['long enough', 'abc']), RangeError)
})
