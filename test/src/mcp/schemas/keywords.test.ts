/** Keywords with a work limit validate as JSON Schema specifies. */
import t from 'tap'
import { compile } from '../../../../src/mcp/schemas/compile.js'
import { recursive, problem } from '../../../support/schema-problem.js'

t.test('uniqueItems compares like JSON Schema and counts its work', async t => {
  const schema = { type: 'object', properties: { list: { type: 'array', uniqueItems: true } } }
  for (const [list, isUnique] of [
    [
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 }
      ],
      false
    ],
    [[1, 1.0], false],
    [[1, '1'], true],
    [[null, 'null'], true],
    [
      [
        [1, 2],
        [2, 1]
      ],
      true
    ],
    [[{}, []], true],
    [[{ a: [{ c: 1, d: 2 }] }, { a: [{ d: 2, c: 1 }] }], false],
    [[true, 1], true],
    [['a', 'a'], false],
    [[{ a: null }, {}], true]
  ] as const) { t.equal((await problem(schema, { list })) === undefined, isUnique, JSON.stringify(list)) }
  t.equal(
    await problem(schema, {
      list: Array.from({ length: 20_000 }, (_, index) => ({ index, more: { index } }))
    }),
    undefined
  )
  t.match(await problem({ type: 'object', properties: { list: { uniqueItems: false } } }, { list: [1, 1] }), undefined)
})

t.test('enum compares like JSON Schema, by hash', async t => {
  const list = { type: 'array', items: { enum: ['a', 1, null, true, { b: [1, 2], a: 1 }, [3]] } }
  const schema = { type: 'object', properties: { list } }
  for (const good of ['a', 1, 1.0, null, true, { a: 1, b: [1, 2] }, [3]]) {
    t.equal(await problem(schema, { list: [good] }), undefined, JSON.stringify(good))
  }
  for (const bad of ['1', 'b', false, 0, {}, [], { a: 1, b: [2, 1] }, [[3]], 'null', '[3]']) {
    const words = await problem(schema, { list: [bad] })
    t.equal(words, 'list.0: must be equal to one of the allowed values', JSON.stringify(bad))
  }
})

t.test('references by pointer, anchor and root are unchanged', async t => {
  const schema = {
    type: 'object',
    properties: { a: { $ref: '#/$defs/text' }, b: { $ref: '#named' }, self: { $ref: '#' }, $ref: { type: 'number' } },
    $defs: { text: { type: 'string' }, other: { $anchor: 'named', type: 'integer' } }
  }
  t.equal(await problem(schema, { a: 'x', b: 1, self: { self: { b: 2 } }, $ref: 1 }), undefined)
  t.match(await problem(schema, { self: { self: { b: 'two' } } }), /^self\.self\.b: must be integer$/)
  t.match(await problem(schema, { a: 1 }), /^a: must be string$/)
  t.match(await problem(schema, { $ref: 'x' }), /^\$ref: must be number$/)
})

t.test('cached results are not shared between checks', async t => {
  const { check } = compile(recursive, 'input')
  const wrong = { filter: { children: [{ field: 1 }], type: 'or' } }
  t.match(await check(wrong), { ok: false, problem: /filter\.children\.0\.field: must be string/ })
  Object.assign(wrong.filter.children[0] ?? {}, { field: 'x' })
  t.match(await check(wrong), { ok: true })
})

t.test('keywords with names or data are not treated as schemas', async t => {
  const schema = {
    type: 'object',
    properties: { a: {}, b: {}, enum: { type: 'number' }, $defs: { type: 'string' } },
    dependentRequired: { a: ['b'] },
    default: { properties: { $ref: 'x' } },
    examples: [{ $ref: '#/nowhere' }]
  }
  t.equal(await problem(schema, { a: 1, b: 2, enum: 3, $defs: 'x' }), undefined)
  t.match(await problem(schema, { a: 1 }), /^b: must have property b when property a is present$/)
  t.match(await problem(schema, { enum: 'x' }), /^enum: must be number$/)
})

for (const [what, schema, good, bad] of [
  [
    'draft-07 definitions',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      definitions: { n: { type: 'number' } },
      properties: { a: { $ref: '#/definitions/n' } }
    },
    { a: 1 },
    { a: 'x' }
  ],
  [
    'draft-07 dependencies',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      dependencies: { a: ['b'], c: { required: ['d'] } }
    },
    { a: 1, b: 1 },
    { c: 1 }
  ],
  [
    'a pointer with escapes',
    { $defs: { 'a/b%c': { type: 'number' } }, properties: { a: { $ref: '#/$defs/a~1b%25c' } } },
    { a: 1 },
    { a: 'x' }
  ],
  [
    'an $id within',
    {
      $defs: { n: { $id: 'https://example.com/n', type: 'number' } },
      properties: { a: { $ref: 'https://example.com/n' } }
    },
    { a: 1 },
    { a: 'x' }
  ],
  [
    'unevaluatedProperties beside $ref',
    { $defs: { n: { properties: { a: {} } } }, $ref: '#/$defs/n', unevaluatedProperties: false },
    { a: 1 },
    { b: 1 }
  ],
  [
    'if, then and else',
    {
      if: { properties: { a: { const: 1 } }, required: ['a'] },
      then: { required: ['b'] },
      else: { required: ['c'] }
    },
    { a: 1, b: 1 },
    { a: 2 }
  ],
  ['patternProperties', { patternProperties: { '^n': { type: 'number' } } }, { n1: 1 }, { n1: 'x' }],
  [
    'prefixItems and contains',
    { properties: { a: { prefixItems: [{ type: 'number' }], contains: { const: 'x' } } } },
    { a: [1, 'x'] },
    { a: [1] }
  ],
  [
    'a reference beside other keywords',
    { $defs: { t: { type: 'string' } }, properties: { a: { $ref: '#/$defs/t', minLength: 3 } } },
    { a: 'abc' },
    { a: 'ab' }
  ]
] as const) {
  t.test(`${what} follow their drafts`, async t => {
    t.equal(await problem({ type: 'object', ...schema }, good), undefined)
    t.type(await problem({ type: 'object', ...schema }, bad), 'string')
  })
}
