/** Headers that repeat arguments, in every form that clients may send. */
import t from 'tap'
import { HeaderMismatchError } from '../../../../src/errors.js'
import { checkHeaderParameters, headerParameters } from '../../../../src/mcp/catalog/header-parameters.js'

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    filter: {
      type: 'object',
      properties: {
        count: { type: 'integer', 'x-mcp-header': 'Count' },
        strict: { type: 'boolean', 'x-mcp-header': 'Strict' }
      }
    }
  }
}
const parameters = headerParameters(schema, 'region')

for (const [what, args, headers] of [
  ['a plain value', { region: 'Hello' }, { 'mcp-param-region': 'Hello' }],
  ['a value with blanks around it', { region: 'Hello' }, { 'mcp-param-region': ' Hello ' }],
  ['an encoded value', { region: 'Grüße' }, { 'mcp-param-region': '=?base64?R3LDvMOfZQ==?=' }],
  ['an encoded value of no length', { region: '' }, { 'mcp-param-region': '=?base64??=' }],
  ['a value that only looks like Base64', { region: 'SGVsbG8=' }, { 'mcp-param-region': 'SGVsbG8=' }],
  [
    'a value that only begins like an encoded one',
    { region: '=?base64?SGVsbG8=' },
    { 'mcp-param-region': '=?base64?SGVsbG8=' }
  ],
  ['a number deep within', { filter: { count: 12 } }, { 'mcp-param-count': '12' }],
  ['a boolean deep within', { filter: { strict: false } }, { 'mcp-param-strict': 'false' }],
  [
    'an encoded value with a byte order mark',
    { region: '\uFEFFeu' },
    { 'mcp-param-region': '=?base64?77u/ZXU=?=' }
  ],
  ['a value with a tab within', { region: 'a\tb' }, { 'mcp-param-region': '\ta\tb' }],
  ['a number that no client knows exactly, without a header,', { filter: { count: 2 ** 60 } }, {}],
  [
    'the same number in its header',
    { filter: { count: 2 ** 60 } },
    { 'mcp-param-count': '1152921504606846976' }
  ],
  ['no argument and no header', {}, {}]
] as const) {
  t.test(`${what} matches its header`, async t => {
    t.doesNotThrow(() => {
      checkHeaderParameters(parameters, args, headers)
    })
  })
}

for (const [what, args, headers] of [
  ['another value', { region: 'Hello' }, { 'mcp-param-region': 'hello' }],
  ['a missing header', { region: 'Hello' }, {}],
  ['a repeated header', { region: 'Hello' }, { 'mcp-param-region': ['Hello', 'Hello'] }],
  ['Base64 without its padding', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8?=' }],
  ['Base64 with other characters', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVs!!!bG8=?=' }],
  ['Base64 of broken UTF-8', { region: '\uFFFD' }, { 'mcp-param-region': '=?base64?/w==?=' }],
  ['a byte order mark missing in the body', { region: 'eu' }, { 'mcp-param-region': '=?base64?77u/ZXU=?=' }],
  ['a plain value that is not ASCII', { region: 'grüße' }, { 'mcp-param-region': 'grüße' }],
  ['a control character', { region: 'e\u0007u' }, { 'mcp-param-region': 'e\u0007u' }],
  ['a no-break space after a value', { region: 'eu' }, { 'mcp-param-region': 'eu\u00A0' }],
  ['broken Base64 for a missing argument', {}, { 'mcp-param-region': '=?base64?***?=' }],
  ['another number beyond exact integers', { filter: { count: 2 ** 60 } }, { 'mcp-param-count': '12' }],
  ['another number', { filter: { count: 12 } }, { 'mcp-param-count': '13' }],
  ['a number in another notation', { filter: { count: 16 } }, { 'mcp-param-count': '0x10' }]
] as const) {
  t.test(`${what} is refused`, async t => {
    t.throws(
      () => {
        checkHeaderParameters(parameters, args, headers as Record<string, string | string[]>)
      },
      { code: HeaderMismatchError.code }
    )
  })
}

for (const [what, property] of [
  ['on an object', { type: 'object', 'x-mcp-header': 'Region' }],
  ['that is not a token', { type: 'string', 'x-mcp-header': 'Re gion' }],
  ['that would end the header', { type: 'string', 'x-mcp-header': 'Region\r\nx' }],
  ['that is empty', { type: 'string', 'x-mcp-header': '' }]
] as const) {
  t.test(`an x-mcp-header ${what} stops the start`, async t => {
    t.throws(() => headerParameters({ type: 'object', properties: { region: property } }, 'region'), TypeError)
  })
}

t.test('two x-mcp-header marks with one name stop the start, in any case', async t => {
  const twice = { a: { type: 'string', 'x-mcp-header': 'Region' }, b: { type: 'string', 'x-mcp-header': 'region' } }
  t.throws(() => headerParameters({ type: 'object', properties: twice }, 'region'), TypeError)
})

const marked = { type: 'string', 'x-mcp-header': 'Region' }

for (const [what, rest] of [
  ['items', { properties: { a: { type: 'array', items: marked } } }],
  [
    'properties of items',
    { properties: { a: { type: 'array', items: { type: 'object', properties: { b: marked } } } } }
  ],
  ['anyOf', { properties: { a: { anyOf: [marked, { type: 'null' }] } } }],
  ['oneOf at the top', { oneOf: [{ properties: { a: marked } }] }],
  ['$defs', { properties: { a: { $ref: '#/$defs/region' } }, $defs: { region: marked } }],
  ['patternProperties', { patternProperties: { '^x': marked } }],
  ['additionalProperties', { additionalProperties: marked }],
  ['if', { if: { properties: { a: marked } } }],
  ['contentSchema', { properties: { a: { type: 'string', contentSchema: marked } } }]
] as const) {
  t.test(`an x-mcp-header below ${what} stops the start and names the tool`, async t => {
    t.throws(() => headerParameters({ type: 'object', ...rest }, 'region'), /^Tool region, x-mcp-header at/)
  })
}

t.test('a property named x-mcp-header is not a mark', async t => {
  const named = { 'x-mcp-header': { type: 'string' } }
  t.same(
    headerParameters(
      {
        type: 'object',
        properties: { ...named, a: { default: marked, examples: [marked], enum: [marked] } },
        $defs: named
      },
      'region'
    ),
    []
  )
})
