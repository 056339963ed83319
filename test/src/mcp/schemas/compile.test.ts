/** Schemas of both kinds accept the same values and name what is invalid. */
import t from 'tap'
import { z } from 'zod'
import { compile, compileObject } from '../../../../src/mcp/schemas/compile.js'

const kinds = [
  [
    'zod',
    z.strictObject({ name: z.string(), age: z.number().optional(), tags: z.array(z.string()).optional() })
  ],
  [
    'JSON Schema',
    {
      type: 'object',
      properties: {
        name: { type: 'string' },
        age: { type: 'number' },
        tags: { type: 'array', items: { type: 'string' } }
      },
      required: ['name'],
      additionalProperties: false
    }
  ]
] as const

for (const [kind, schema] of kinds) {
  const compiled = compile(schema, 'input')

  t.test(`a valid value passes a ${kind}`, async t => {
    t.same(await compiled.check({ name: 'ada', tags: ['x'] }), { ok: true, value: { name: 'ada', tags: ['x'] } })
  })

  for (const [what, value, field] of [
    ['a field that is missing', {}, /\bname\b/],
    ['a field of another type', { name: 1 }, /\bname\b/],
    ['a field too many', { name: 'ada', extra: 1 }, /\bextra\b/],
    ['a field deep inside', { name: 'ada', tags: ['x', 2] }, /tags\.1/],
    ['no object', 'ada', /arguments/]
  ] as const) {
    t.test(`${what} is reported by a ${kind}`, async t => {
      t.match(await compiled.check(value), { ok: false, problem: field })
    })
  }
}

t.test('the first of half a million invalid values is reported', async t => {
  const names = compile(z.object({ names: z.array(z.string()), more: z.unknown().optional() }), 'input')
  const checked = await names.check({ names: Array.from({ length: 500_000 }, () => 1) })
  t.same(checked, { ok: false, problem: 'names.0: Invalid input: expected string, received number' })
  const few = await names.check({ names: Array.from({ length: 500 }, () => 1) })
  t.match(few, { ok: false, problem: /^names\.0: Invalid input: expected string, received number; names\.1: / })
  t.match(few, { problem: /; and 490 more$/ })
})

t.test('a message with a long field name is truncated', async t => {
  const none = compile(z.strictObject({}), 'input')
  const checked = await none.check({ ['x'.repeat(1_000_000)]: 1 })
  t.ok(!checked.ok && checked.problem.length < 2500)
})

t.test('custom messages are kept in an async check', async t => {
  const slow = compile(z.object({ a: z.string().refine(async () => false, 'not today') }), 'input')
  t.same(await slow.check({ a: 'x' }), { ok: false, problem: 'a: not today' })
})

t.test('a JSON Schema is listed unchanged', async t => {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    $defs: { a: { $anchor: 'a', type: 'string' } },
    if: {},
    then: {},
    else: {}
  }
  t.equal(compile(schema, 'input').wire, schema)
})

t.test('a zod schema is listed as 2020-12 without $schema', async t => {
  const { wire } = compile(z.object({ a: z.string().default('x'), pair: z.tuple([z.string(), z.number()]) }), 'input')
  t.same(wire, {
    type: 'object',
    properties: {
      a: { default: 'x', type: 'string' },
      pair: {
        type: 'array',
        prefixItems: [{ type: 'string' }, { type: 'number' }],
        items: false,
        minItems: 2,
        maxItems: 2
      }
    },
    required: ['pair']
  })
})

t.test('an async check is awaited', async t => {
  const compiled = compile(z.object({ a: z.string().refine(async a => await Promise.resolve(a === 'yes')) }), 'input')
  t.match(await compiled.check({ a: 'yes' }), { ok: true })
  t.match(await compiled.check({ a: 'no' }), { ok: false, problem: /\ba\b/ })
})

t.test('an invalid schema is refused at registration', async t => {
  t.throws(() => compile({ type: 'nonsense' }, 'input'))
})

const draft07 = 'http://json-schema.org/draft-07/schema#'
const tuple = [{ type: 'string' }, { type: 'number' }]

for (const [draft, pair] of [
  ['draft-07', { $schema: draft07, items: tuple }],
  ['2019-09', { $schema: 'https://json-schema.org/draft/2019-09/schema', items: tuple }],
  ['2020-12', { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: tuple }],
  ['no draft', { prefixItems: tuple }]
] as const) {
  t.test(`a tuple of ${draft} is validated by the rules of that draft`, async t => {
    const { $schema, ...body } = { $schema: undefined, ...pair }
    const compiled = compile(
      {
        ...($schema === undefined ? {} : { $schema }),
        type: 'object',
        properties: { pair: { type: 'array', ...body } }
      },
      'input'
    )
    t.match(await compiled.check({ pair: ['a', 1] }), { ok: true })
    t.match(await compiled.check({ pair: [1, 'a'] }), { ok: false, problem: /pair\.0/ })
  })
}

for (const [what, schema, fix] of [
  ['is empty', {}, /type: 'object'/],
  ['omits its type', { properties: {} }, /type: 'object'/],
  ['describes a string', { type: 'string' }, /type: 'object'/],
  ['describes an array', { type: 'array' }, /type: 'object'/],
  ['names several types', { type: ['object', 'null'] }, /type: 'object'/],
  [
    'is a union of zod',
    z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]) as unknown as z.ZodObject,
    /type: 'object'/
  ],
  ['has a property that is true', { type: 'object', properties: { a: true } }, /property/],
  ['has properties that are not an object', { type: 'object', properties: [] }, /properties/],
  ['requires a number', { type: 'object', required: [1] }, /./]
] as const) {
  t.test(`a tool whose schema ${what} is refused with advice`, async t => {
    t.throws(() => compileObject(schema, 'input'), { message: fix })
  })
}
