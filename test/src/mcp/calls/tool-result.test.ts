/**
 * Results of handlers. A result that clients would reject is corrected, or becomes a fault that names the
 * reason.
 */
import t from 'tap'
import { z } from 'zod'
import { toolResultOf } from '../../../../src/mcp/calls/tool-result.js'
import { compileObject } from '../../../../src/mcp/schemas/compile.js'
import type { Schema } from '../../../../src/tools/content.js'

const raw = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] }
const any = z.object({ n: z.any() })
const result = async (given: unknown, output?: Schema): Promise<unknown> =>
  await toolResultOf('x', output === undefined ? undefined : compileObject(output, 'output'), given)
const text = (words: string): object[] => [{ type: 'text', text: words }]
const png = { type: 'image', data: 'iVBORw0KGgo=', mimeType: 'image/png' }

for (const [what, given, output, expected] of [
  ['a text', 'hi', undefined, { content: text('hi') }],
  [
    'structured content',
    { structuredContent: { n: 1 } },
    raw,
    { content: text('{"n":1}'), structuredContent: { n: 1 } }
  ],
  ['a list as structured content', { structuredContent: [1, 2] }, undefined, { content: text('[1,2]') }],
  [
    'a list as structured content beside a text',
    { content: text('two'), structuredContent: [1, 2] },
    undefined,
    { content: text('two') }
  ],
  [
    'null as structured content beside a text',
    { content: text('none'), structuredContent: null },
    undefined,
    { content: text('none') }
  ],
  [
    'null for omitted members',
    { content: text('a'), structuredContent: null, isError: null, _meta: null },
    undefined,
    { content: text('a') }
  ],
  [
    'NaN without a schema',
    { structuredContent: { n: NaN } },
    undefined,
    { content: text('{"n":null}'), structuredContent: { n: null } }
  ],
  [
    'a date for a string in the schema',
    { structuredContent: { n: new Date(0) } },
    { type: 'object', properties: { n: { type: 'string' } } },
    {
      content: text('{"n":"1970-01-01T00:00:00.000Z"}'),
      structuredContent: { n: '1970-01-01T00:00:00.000Z' }
    }
  ],
  [
    'a date under z.any()',
    { structuredContent: { n: new Date(0) } },
    any,
    {
      content: text('{"n":"1970-01-01T00:00:00.000Z"}'),
      structuredContent: { n: '1970-01-01T00:00:00.000Z' }
    }
  ],
  [
    'the result of a transform',
    { structuredContent: { n: 'x' } },
    z.object({
      n: z
        .string()
        .transform(n => n.length)
        .pipe(z.number())
    }),
    { content: text('{"n":1}'), structuredContent: { n: 1 } }
  ],
  [
    'an error with a list',
    { isError: true, structuredContent: [1] },
    undefined,
    { content: text('[1]'), isError: true }
  ],
  [
    'an error that does not fit the schema',
    { isError: true, structuredContent: { n: 'x' } },
    raw,
    { content: text('{"n":"x"}'), isError: true }
  ],
  [
    'an error that fits the schema',
    { isError: true, structuredContent: { n: 1 } },
    raw,
    { content: text('{"n":1}'), structuredContent: { n: 1 }, isError: true }
  ],
  [
    'all kinds of content',
    {
      content: [
        png,
        { type: 'audio', data: '', mimeType: 'audio/wav' },
        { type: 'resource', resource: { uri: 'x://a', blob: 'AA==' } },
        { type: 'resource_link', uri: 'x://a', name: 'a' },
        { type: 'text', text: '', annotations: { audience: ['user'], priority: 0.5 }, _meta: {} }
      ]
    },
    undefined,
    { content: Array }
  ]
] as const) {
  t.test(`${what} is sent in a form that clients accept`, async t => {
    t.match(await result(given, output), expected)
  })
}

const circular: { self?: unknown } = {}
circular.self = circular

for (const [what, given, output, words] of [
  [
    'NaN under a number',
    { structuredContent: { n: NaN } },
    raw,
    /^x returned a result that does not match its output schema: n: must be number/
  ],
  ['Infinity under a number', { structuredContent: { n: Infinity } }, raw, /n: must be number/],
  ['a list under a schema', { structuredContent: [1] }, raw, /must be object/],
  [
    'null under a schema',
    { content: text('a'), structuredContent: null },
    raw,
    /structuredContent is missing/
  ],
  ['a Map under a number', { structuredContent: new Map([['n', 1]]) }, raw, /n: must have required property/],
  ['a big integer', { structuredContent: { n: 1n } }, raw, /^x returned .*BigInt/],
  ['what holds itself', { structuredContent: circular }, undefined, /^x returned .*circular/],
  [
    'a content block of an unknown type',
    { content: [{ type: 'video', data: '' }] },
    undefined,
    /type "video": there are text, image, audio, resource, resource_link/
  ],
  [
    'a text that is a number',
    { content: [{ type: 'text', text: 1 }] },
    undefined,
    /type text whose text clients cannot read/
  ],
  ['a text without text', { content: [{ type: 'text' }] }, undefined, /type text without text/],
  [
    'image data as bytes',
    { content: [{ ...png, data: Buffer.from('x') }] },
    undefined,
    /whose data clients cannot read: bytes go out as base64 text/
  ],
  [
    'image data as base64url',
    { content: [{ ...png, data: 'a-_=' }] },
    undefined,
    /whose data clients cannot read/
  ],
  [
    'an image without a type',
    { content: [{ type: 'image', data: 'AA==' }] },
    undefined,
    /type image without mimeType/
  ],
  [
    'a resource without contents',
    { content: [{ type: 'resource', resource: { uri: 'x://a' } }] },
    undefined,
    /whose resource/
  ],
  [
    'a link without a name',
    { content: [{ type: 'resource_link', uri: 'x://a' }] },
    undefined,
    /without name/
  ],
  [
    'a priority of two',
    { content: [{ type: 'text', text: '', annotations: { priority: 2 } }] },
    undefined,
    /annotations/
  ],
  ['content that is a text', { content: 'hi' }, undefined, /content that is not an array/],
  ['isError as a text', { content: [], isError: 'yes' }, undefined, /isError/],
  ['a list', [1], undefined, /neither a string nor a result/],
  ['a text under a schema', 'hi', raw, /has an output schema/],
  ['a class instance', { n: 1 }, undefined, /not a result/]
] as const) {
  t.test(`${what} is a fault with its reason`, async t => {
    await t.rejects(result(given, output), { name: 'TypeError', message: words })
  })
}

t.test('an async output schema is awaited', async t => {
  const slow = z.object({ n: z.number().refine(async n => await Promise.resolve(n > 0), 'must be more than 0') })
  t.match(await result({ structuredContent: { n: 1 } }, slow), { structuredContent: { n: 1 } })
  await t.rejects(result({ structuredContent: { n: 0 } }, slow), {
    message: /^x returned a result that does not match its output schema: n: must be more than 0$/
  })
})

t.test('values transformed by a zod schema are validated as JSON', async t => {
  const output = z.object({ n: z.number().catch(NaN) })
  t.match(await result({ structuredContent: { n: 1 } }, output), { structuredContent: { n: 1 } })
  await t.rejects(result({ structuredContent: { n: 'x' } }, output), { message: /n: must be number \(as JSON writes it\)/ })
})
