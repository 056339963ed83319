/** The headers that repeat arguments, in the forms that a client may give them. */
import t from 'tap'
import { HeaderMismatchError } from '../../../src/errors.js'
import { checkHeaderParameters, headerParameters } from '../../../src/mcp/header-parameters.js'

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    filter: { type: 'object', properties: { count: { type: 'integer', 'x-mcp-header': 'Count' }, strict: { type: 'boolean', 'x-mcp-header': 'Strict' } } }
  }
}
const parameters = headerParameters(schema)

for (const [what, args, headers] of [
  ['a value as it is', { region: 'Hello' }, { 'mcp-param-region': 'Hello' }],
  ['a value with blanks around it', { region: 'Hello' }, { 'mcp-param-region': ' Hello ' }],
  ['an encoded value', { region: 'Grüße' }, { 'mcp-param-region': '=?base64?R3LDvMOfZQ==?=' }],
  ['an encoded value of no length', { region: '' }, { 'mcp-param-region': '=?base64??=' }],
  ['a value that only looks like Base64', { region: 'SGVsbG8=' }, { 'mcp-param-region': 'SGVsbG8=' }],
  ['a value that only begins like an encoded one', { region: '=?base64?SGVsbG8=' }, { 'mcp-param-region': '=?base64?SGVsbG8=' }],
  ['a number deep within', { filter: { count: 12 } }, { 'mcp-param-count': '12' }],
  ['a boolean deep within', { filter: { strict: false } }, { 'mcp-param-strict': 'false' }],
  ['no argument and no header', {}, {}]
] as const) {
  t.test(`${what} agrees with its header`, async t => {
    t.doesNotThrow(() => { checkHeaderParameters(parameters, args, headers) })
  })
}

for (const [what, args, headers] of [
  ['another value', { region: 'Hello' }, { 'mcp-param-region': 'hello' }],
  ['a missing header', { region: 'Hello' }, {}],
  ['a header that came twice', { region: 'Hello' }, { 'mcp-param-region': ['Hello', 'Hello'] }],
  ['Base64 without its padding', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVsbG8?=' }],
  ['Base64 with other characters', { region: 'Hello' }, { 'mcp-param-region': '=?base64?SGVs!!!bG8=?=' }],
  ['Base64 of broken UTF-8', { region: '\uFFFD' }, { 'mcp-param-region': '=?base64?/w==?=' }],
  ['another number', { filter: { count: 12 } }, { 'mcp-param-count': '13' }],
  ['a number in another notation', { filter: { count: 16 } }, { 'mcp-param-count': '0x10' }]
] as const) {
  t.test(`${what} is refused`, async t => {
    t.throws(() => { checkHeaderParameters(parameters, args, headers as Record<string, string | string[]>) }, { code: HeaderMismatchError.code })
  })
}

for (const [what, property] of [
  ['on an object', { type: 'object', 'x-mcp-header': 'Region' }],
  ['that is no token', { type: 'string', 'x-mcp-header': 'Re gion' }],
  ['that would end the header', { type: 'string', 'x-mcp-header': 'Region\r\nx' }],
  ['that is empty', { type: 'string', 'x-mcp-header': '' }]
] as const) {
  t.test(`a mark ${what} stops the boot`, async t => {
    t.throws(() => headerParameters({ type: 'object', properties: { region: property } }), TypeError)
  })
}

t.test('two marks with one name stop the boot, in whatever case they are written', async t => {
  const twice = { a: { type: 'string', 'x-mcp-header': 'Region' }, b: { type: 'string', 'x-mcp-header': 'region' } }
  t.throws(() => headerParameters({ type: 'object', properties: twice }), TypeError)
})
