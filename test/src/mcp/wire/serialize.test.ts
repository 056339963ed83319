import fc from 'fast-check'
import t from 'tap'
import { StructuredResult, prepare, serialize } from '../../../../src/mcp/wire/serialize.js'

const message = (result: object): Parameters<typeof serialize>[0] => ({
  jsonrpc: '2.0',
  id: 'a"b',
  result: result as Record<string, unknown>
})
const written = (result: object): unknown => JSON.parse(serialize(message(result)))
const expected = (result: object): unknown => JSON.parse(JSON.stringify(message(result)))

t.test('a message is serialized like JSON.stringify, with cached parts', async t => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()), (structured, list) => {
    const result = new StructuredResult(structured)
    // An SDK passes on a copy with additional members.
    const copy = { resultType: 'complete', ...result, left: undefined, out: () => {}, _meta: { structured } }
    for (const one of [result, copy, { tools: prepare(list), extra: structured }, structured]) {
      t.strictSame(written(one), expected(one))
    }
  }), { numRuns: 200 })
})

t.test('replaced structured content is serialized as it is', async t => {
  const result = new StructuredResult({ before: true })
  const changed = { content: result.content, structuredContent: { before: false } }
  t.strictSame(written(changed), expected(changed))
})

t.test('structured content that is not valid JSON is refused', async t => {
  t.throws(() => new StructuredResult({ toJSON: () => undefined }), TypeError)
  t.throws(() => new StructuredResult({ big: 1n }), TypeError)
})
