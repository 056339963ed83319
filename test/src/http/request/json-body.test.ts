/**
 * JSON bodies are parsed, and all other bodies are refused. The cases named `n_`, `y_` and `i_` are from
 * JSONTestSuite by Nicolas Seriot (MIT).
 */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import errors from '../../../../plugins/errors.js'
import { isDeeperThan, parseJson, registerJsonBody } from '../../../../src/http/request/json-body.js'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

const accepted: Array<[string, string, unknown]> = [
  ['y_array_heterogeneous', '[null, 1, "1", {}]', [null, 1, '1', {}]],
  ['y_array_with_leading_space', ' [1]', [1]],
  ['y_number_minus_zero', '[-0]', [-0]],
  ['y_number_real_capital_e_neg_exp', '[1E-2]', [0.01]],
  ['y_object_duplicated_key', '{"a":"b","a":"c"}', { a: 'c' }],
  ['y_object_empty_key', '{"":0}', { '': 0 }],
  ['y_object_escaped_null_in_key', '{"foo\\u0000bar": 42}', { 'foo\u0000bar': 42 }],
  ['y_string_accepted_surrogate_pair', '["\\uD801\\udc37"]', ['\u{10437}']],
  ['y_string_backslash_doublequotes', '["\\""]', ['"']],
  ['y_string_unicodeEscapedBackslash', '["\\u005C"]', ['\\']],
  ['y_string_comments', '["a/*b*/c/*d//e"]', ['a/*b*/c/*d//e']],
  ['y_string_nonCharacterInUTF-8_U+FFFF', '["\uffff"]', ['\uffff']],
  ['y_string_u+2028_line_sep', '["\u2028"]', ['\u2028']],
  ['y_string_unescaped_char_delete', '["\u007f"]', ['\u007f']],
  ['y_structure_lonely_null', 'null', null],
  ['y_structure_lonely_string', '"asd"', 'asd'],
  ['y_structure_trailing_newline', '["a"]\n', ['a']],
  ['i_number_huge_exp', '[1e999]', [Infinity]],
  ['i_string_incomplete_surrogate_and_escape_valid', '["\\uD800\\n"]', ['\ud800\n']],
  ['a string full of brackets', `["${'['.repeat(500)}"]`, ['['.repeat(500)]],
  ['brackets behind an escaped quote', `["\\"${'{'.repeat(500)}"]`, [`"${'{'.repeat(500)}`]],
  ['brackets behind an escaped backslash in a string', `["\\\\","${'['.repeat(500)}"]`, ['\\', '['.repeat(500)]],
  ['many arrays side by side', `[${'[],'.repeat(500)}[]]`, Array.from({ length: 501 }, () => [])],
  ['arrays 64 deep', '['.repeat(64) + ']'.repeat(64), undefined],
  ['a value that names a prototype', '{"a":"__proto__","b":"constructor"}', { a: '__proto__', b: 'constructor' }],
  ['a constructor that is a string', '{"constructor":"x"}', { constructor: 'x' }],
  ['a prototype without a constructor', '{"prototype":{}}', { prototype: {} }]
]
for (const [what, text, value] of accepted) {
  t.test(`parseJson reads ${what}`, async t => {
    t.strictSame(parseJson(Buffer.from(text)), value ?? JSON.parse(text))
  })
}

t.test('parseJson reads a constructor member without a prototype', async t => {
  const text = '{"constructor":{"name":"x"}}'
  t.equal(JSON.stringify(parseJson(Buffer.from(text))), text)
})

const malformed: Array<[string, string | Buffer]> = [
  ['n_array_1_true_without_comma', '[1 true]'],
  ['n_array_a_invalid_utf8', latin1('[a\xe5]')],
  ['n_array_extra_close', '["x"]]'],
  ['n_array_extra_comma', '["",]'],
  ['n_array_spaces_vertical_tab_formfeed', '["\u000ba"\\f]'],
  ['n_array_unclosed', '[""'],
  ['n_incomplete_null', '[nul]'],
  ['n_number_+1', '[+1]'],
  ['n_number_-01', '[-01]'],
  ['n_number_NaN', '[NaN]'],
  ['n_number_hex_1_digit', '[0x1]'],
  ['n_number_minus_infinity', '[-Infinity]'],
  ['n_number_U+FF11_fullwidth_digit_one', '[\uff11]'],
  ['n_object_key_with_single_quotes', "{key: 'value'}"],
  ['n_object_trailing_comma', '{"id":0,}'],
  ['n_object_trailing_comment', '{"a":"b"}/**/'],
  ['n_object_unquoted_key', '{a: "b"}'],
  ['n_object_with_trailing_garbage', '{"a":"b"}#'],
  ['n_single_space', ' '],
  ['n_string_1_surrogate_then_escape_u', '["\\uD800\\u"]'],
  ['n_string_escape_x', '["\\x00"]'],
  ['n_string_invalid_utf8_after_escape', latin1('["\\\xe5"]')],
  ['n_string_unescaped_ctrl_char', '["a\u0000a"]'],
  ['n_string_unescaped_newline', '["new\nline"]'],
  ['n_structure_close_unopened_array', '1]'],
  ['n_structure_double_array', '[][]'],
  ['n_structure_no_data', ''],
  ['n_structure_null-byte-outside-string', '[\u0000]'],
  ['n_structure_open_array_open_string', '["a'],
  ['n_structure_UTF8_BOM_no_data', latin1('\xef\xbb\xbf')],
  ['n_structure_whitespace_U+2060_word_joiner', '[\u2060]'],
  ['i_structure_UTF-8_BOM_empty_object', latin1('\xef\xbb\xbf{}')],
  ['i_string_UTF-16LE_with_BOM', latin1('\xff\xfe[\0"\0\xe9\0"\0]\0')],
  ['i_string_iso_latin_1', latin1('["\xe9"]')],
  ['i_string_overlong_sequence_2_bytes', latin1('["\xc0\xaf"]')],
  ['i_string_truncated-utf-8', latin1('["\xe0\xff"]')],
  ['i_string_UTF8_surrogate_U+D800', latin1('["\xed\xa0\x80"]')],
  ['a backslash at the end', '["\\'],
  ['__proto__', '{"__proto__":{"admin":true}}'],
  ['__proto__ with a plain value', '{"__proto__":1}'],
  ['__proto__ deep inside', '{"a":[{"b":{"__proto__":{}}}]}'],
  ['__proto__ spelled with escapes', '{"\\u005f_proto_\\u005F":{}}'],
  ['__proto__ spelled with an escaped letter', '{"__\\u0070roto__":{}}'],
  ['constructor.prototype', '{"constructor":{"prototype":{"admin":true}}}'],
  ['constructor.prototype deep inside', '[{"a":{"constructor":{"prototype":1}}}]'],
  ['constructor.prototype spelled with escapes', '{"\\u0063onstructor":{"prototype":{}}}'],
  ['constructor.prototype, both spelled with escapes', '{"\\u0063onstructor":{"\\u0070rototype":{}}}']
]
for (const [what, text] of malformed) {
  t.test(`parseJson refuses ${what}`, async t => {
    t.throws(() => parseJson(Buffer.from(text)), { code: 'MCP_ERR_MALFORMED_BODY' })
    t.notOk('admin' in {})
  })
}

const deep: Array<[string, string]> = [
  ['i_structure_500_nested_arrays', '['.repeat(500) + ']'.repeat(500)],
  ['n_structure_100000_opening_arrays', '['.repeat(100_000)],
  ['n_structure_open_array_object', '[{"":'.repeat(50_000)],
  ['arrays 65 deep', '['.repeat(65) + ']'.repeat(65)],
  ['objects 65 deep', '{"a":'.repeat(65) + '1' + '}'.repeat(65)],
  ['depth behind many siblings', `[${'[],'.repeat(500)}${'['.repeat(64)}`]
]
for (const [what, text] of deep) {
  t.test(`${what} is refused before it is parsed`, async t => {
    t.throws(() => parseJson(Buffer.from(text)), { code: 'MCP_ERR_TOO_DEEP' })
  })
}

t.test('isDeeperThan ignores brackets in strings', async t => {
  t.equal(isDeeperThan(Buffer.from('[[[]]]'), 3), false)
  t.equal(isDeeperThan(Buffer.from('[[[]]]'), 2), true)
  t.equal(isDeeperThan(Buffer.from('["[[["]'), 1), false)
  t.equal(isDeeperThan(Buffer.from('["\\"[[["]'), 1), false)
  t.equal(isDeeperThan(Buffer.from('["\\\\"[["]'), 2), true)
})

t.test('refused bodies are not quoted in the answer', async t => {
  t.throws(() => parseJson(Buffer.from('{"hunter2"')), { message: 'The body is not valid JSON', cause: undefined })
})

async function build (t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(async scope => {
    registerJsonBody(scope, { bodyLimit: 64, maxDepth: 2 })
    scope.route({ method: ['POST', 'DELETE'], url: '/', handler: async request => ({ body: request.body ?? 'none' }) })
  })
  app.post('/host', async request => ({ body: request.body }))
  return app
}

const types: Array<[string, Record<string, string>, number]> = [
  ['application/json', { 'content-type': 'application/json' }, 200],
  ['application/json with a charset', { 'content-type': 'application/json; charset=utf-8' }, 200],
  ['application/json with a charset, no space', { 'content-type': 'application/json;charset=UTF-8' }, 200],
  ['application/json in capitals', { 'content-type': 'Application/JSON' }, 200],
  ['identity coding', { 'content-type': 'application/json', 'content-encoding': 'identity' }, 200],
  ['identity coding in capitals', { 'content-type': 'application/json', 'content-encoding': 'Identity' }, 200],
  ['identity coding twice', { 'content-type': 'application/json', 'content-encoding': 'identity, IDENTITY' }, 200],
  ['an empty coding', { 'content-type': 'application/json', 'content-encoding': '' }, 200],
  ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, 415],
  ['gzip beside identity', { 'content-type': 'application/json', 'content-encoding': 'identity, gzip' }, 415],
  ['gzip in capitals', { 'content-type': 'application/json', 'content-encoding': 'GZIP' }, 415],
  ['text/plain, which a form of a foreign page may send', { 'content-type': 'text/plain' }, 415],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
  ['a longer type', { 'content-type': 'application/jsonx' }, 415],
  ['a suffix type', { 'content-type': 'application/vnd.api+json' }, 415],
  ['two types', { 'content-type': 'text/plain, application/json' }, 415],
  ['a type behind a tab', { 'content-type': 'application/json\ta' }, 415]
]
for (const [what, headers, status] of types) {
  t.test(`a body as ${what} gets ${status}`, async t => {
    const app = await build(t)
    const reply = await app.inject({ method: 'POST', url: '/', headers, payload: '{"a":1}' })
    t.equal(reply.statusCode, status)
    t.strictSame(reply.json().body ?? reply.json().code, status === 200 ? { a: 1 } : 'MCP_ERR_UNSUPPORTED_MEDIA_TYPE')
  })
}

const json = { 'content-type': 'application/json' }
const text = { 'content-type': 'text/plain' }
const bodyless: Array<[string, 'DELETE' | 'POST', Record<string, string>, string | undefined, number]> = [
  ['a DELETE without a type', 'DELETE', {}, undefined, 200],
  ['a DELETE with the type alone', 'DELETE', json, undefined, 200],
  ['a DELETE with the type and a length of 0', 'DELETE', { ...json, 'content-length': '0' }, undefined, 200],
  ['a DELETE with another type', 'DELETE', text, undefined, 200],
  ['a DELETE with another type and a length of 0', 'DELETE', { ...text, 'content-length': '0' }, undefined, 200],
  ['a DELETE with text', 'DELETE', text, 'x', 415],
  ['a DELETE with text in chunks', 'DELETE', { ...text, 'transfer-encoding': 'chunked' }, undefined, 415],
  ['a DELETE with a wrong body', 'DELETE', json, '{', 400],
  ['a POST with the type alone', 'POST', json, undefined, 400],
  ['a POST with only another type', 'POST', text, undefined, 415]
]
for (const [what, method, headers, payload, status] of bodyless) {
  t.test(`${what} gets ${status}`, async t => {
    const app = await build(t)
    const reply = await app.inject({ method, url: '/', headers, ...(payload === undefined ? {} : { payload }) })
    t.equal(reply.statusCode, status)
    if (status === 200) t.same(reply.json(), { body: 'none' })
  })
}

t.test('limits apply per scope, and the host keeps its parsers', async t => {
  const app = await build(t)
  const post = async (url: string, payload: string, type = 'application/json'): Promise<number> =>
    (await app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })).statusCode
  t.equal(await post('/', '[[[]]]'), 400)
  t.equal(await post('/', `"${'x'.repeat(64)}"`), 413)
  t.equal(await post('/host', '[[[]]]'), 200)
  t.equal(await post('/host', `"${'x'.repeat(64)}"`), 200)
  t.equal(await post('/host', 'hello', 'text/plain'), 200)
})

t.test('a body with more than 100,000 values is refused', async t => {
  const numbers = (count: number): Buffer =>
    Buffer.from(`{"id":123456,"items":[${Array.from({ length: count }, () => 100).join(',')}]}`)
  t.throws(() => parseJson(numbers(100_001)), { code: 'MCP_ERR_TOO_MANY_VALUES' })
  t.equal((parseJson(numbers(99_990)) as { items: number[] }).items.length, 99_990)
  t.ok(parseJson(Buffer.from(JSON.stringify({ text: ','.repeat(300_000) }))), 'commas in text do not count')
})
