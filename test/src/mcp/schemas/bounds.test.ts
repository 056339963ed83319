/** What a check may cost: work and words are bounded, whatever the schema and the value. */
import t from 'tap'
import { z } from 'zod'
import type { Schema } from '../../../../src/tools/content.js'
import { compile } from '../../../../src/mcp/schemas/compile.js'

const group = (type: string): object => ({
  type: 'object',
  properties: { children: { type: 'array', items: { $ref: '#/$defs/filter' } }, type: { const: type } },
  required: ['children', 'type']
})
const leaf = {
  type: 'object',
  properties: { field: { type: 'string' } },
  required: ['field'],
  additionalProperties: false
}

/** A filter of and/or groups, whose children are judged before their type. */
const recursive = {
  type: 'object',
  properties: { filter: { $ref: '#/$defs/filter' } },
  required: ['filter'],
  $defs: { filter: { anyOf: [group('and'), group('or'), leaf] } }
}
/** The same, in a form that cannot remember what a reference found. */
const unevaluated = { ...recursive, $defs: { filter: { ...recursive.$defs.filter, unevaluatedProperties: true } } }

const Group = <T extends string>(type: T) =>
  z.object({
    get children (): z.ZodArray<z.ZodType> {
      return z.array(Filter)
    },
    type: z.literal(type)
  })
const Filter: z.ZodType = z.lazy(() => z.union([Group('and'), Group('or'), z.object({ field: z.string() })]))
const ofZod = z.object({ filter: Filter })

const nested = (levels: number, inner: unknown): unknown =>
  levels === 0 ? inner : { children: [nested(levels - 1, inner)], type: 'or' }

const problem = async (schema: Schema, value: unknown): Promise<string | undefined> => {
  const checked = await compile(schema, 'input').check(value)
  return checked.ok ? undefined : checked.problem
}

for (const [kind, schema] of [['JSON Schema', recursive], ['zod', ofZod]] as const) {
  for (const levels of [1, 26, 60]) {
    t.test(`a valid filter of ${levels} levels fits a recursive ${kind}`, async t => {
      t.equal(await problem(schema, { filter: nested(levels, { field: 'x' }) }), undefined)
    })
  }

  t.test(`a wrong filter of 60 levels is refused by a recursive ${kind} in few words`, async t => {
    const words = await problem(schema, { filter: nested(60, {}) })
    t.match(words, /^filter/)
    t.ok(words !== undefined && words.length < 2500)
  })
}

t.test('work that cannot be remembered stops at the budget', async t => {
  t.equal(await problem(unevaluated, { filter: nested(5, { field: 'x' }) }), undefined)
  t.equal(
    await problem(unevaluated, { filter: nested(26, {}) }),
    'arguments: too large, or nested too deeply for this schema; send less'
  )
  const alternatives = z.object({
    list: z.array(z.union(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(key => z.object({ key: z.literal(key) }))))
  })
  const list = Array.from({ length: 50_000 }, () => ({ key: 'g' }))
  t.equal(
    await problem(alternatives, { list }),
    'arguments: too large, or nested too deeply for this schema; send less'
  )
  t.equal(await problem(alternatives, { list: list.slice(0, 5000) }), undefined)
})

t.test('a budget is that of one check: the next has all of it', async t => {
  const { check } = compile(unevaluated, 'input')
  t.match(await check({ filter: nested(26, {}) }), { ok: false })
  t.match(await check({ filter: nested(5, { field: 'x' }) }), { ok: true })
})

t.test('a list of 99,000 numbers fits a plain schema of either kind', async t => {
  const list = Array.from({ length: 99_000 }, () => 1)
  t.equal(
    await problem(
      { type: 'object', properties: { list: { type: 'array', items: { type: 'number' } } } },
      { list }
    ),
    undefined
  )
  t.equal(await problem(z.object({ list: z.array(z.number()) }), { list }), undefined)
})

t.test('an enum of 50,000 texts is not gone through for each of 90,000 values', async t => {
  const values = Array.from({ length: 50_000 }, (_, index) => `value ${index}`)
  const schema = { type: 'object', properties: { list: { type: 'array', items: { enum: values } } } }
  t.equal(await problem(schema, { list: Array.from({ length: 90_000 }, () => values.at(-1)) }), undefined)
})

t.test('uniqueItems compares as JSON Schema does, and counts its work', async t => {
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

t.test('what is wrong is told in few words, however many and long the names', async t => {
  const schema = { type: 'object', additionalProperties: { type: 'string' }, propertyNames: { maxLength: 5 } }
  const words = await problem(schema, { ['x'.repeat(500_000)]: 1 })
  t.ok(words !== undefined && words.length < 2500)
  const many = { type: 'object', oneOf: Array.from({ length: 500 }, () => ({ required: ['there'] })) }
  t.match(await problem(many, {}), /; and \d+ more$/)
})

t.test('a text that a pattern would match for seconds is refused by its length', async t => {
  const of = (pattern: string): Schema => ({ type: 'object', properties: { text: { type: 'string', pattern } } })
  t.match(await problem(of('\\s+$'), { text: `${' '.repeat(200_000)}x` }), /must match pattern/)
  t.match(await problem(of('^.*a.*b.*c$'), { text: `${'ab'.repeat(100_000)}x` }), /must match pattern/)
  t.equal(await problem(of('^.*a.*b.*c$'), { text: 'xaybzc' }), undefined)
  t.equal(await problem(of('^[a-z]+$'), { text: 'x'.repeat(500_000) }), undefined)
})

for (const pattern of ['(\\w+\\s?){5}$', '^a*a*a*a*a*a*a*a*a*b$', `^${'a{0,9}'.repeat(9)}b$`]) {
  t.test(`a text that ${pattern} matches in many ways is refused by its length`, async t => {
    const schema = { type: 'object', properties: { text: { type: 'string', pattern } } }
    for (const length of [9, 20, 100, 500]) t.match(await problem(schema, { text: `${'a'.repeat(length)}!` }), /pattern/)
  })
}

t.test('a pattern that no text should be tried with stops the start, and says why', async t => {
  const of = (pattern: string) => async () =>
    await problem({ type: 'object', properties: { text: { pattern } } }, { text: '' })
  await t.rejects(of('^([a-z]{0,9}){0,9}!$'), /takes exponential time/)
  const alternatives = Array.from({ length: 600 }, (_, index) => `[a-z]${index}*`).join('|')
  await t.rejects(of(`^(${alternatives})*$`), /too large to judge/)
})

t.test('enum compares as JSON Schema does, by hash', async t => {
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

t.test('references within a schema judge as before: by pointer, anchor and to the whole', async t => {
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

t.test('what another check was told is not told again', async t => {
  const { check } = compile(recursive, 'input')
  const wrong = { filter: { children: [{ field: 1 }], type: 'or' } }
  t.match(await check(wrong), { ok: false, problem: /filter\.children\.0\.field: must be string/ })
  Object.assign(wrong.filter.children[0] ?? {}, { field: 'x' })
  t.match(await check(wrong), { ok: true })
})

t.test('keywords that hold names or data are no schemas', async t => {
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
  t.test(`${what} judge as the drafts mean them`, async t => {
    t.equal(await problem({ type: 'object', ...schema }, good), undefined)
    t.type(await problem({ type: 'object', ...schema }, bad), 'string')
  })
}

const tooMuch = 'arguments: too large, or nested too deeply for this schema; send less'
const constants = Array.from({ length: 20 }, (_, index) => ({ const: index }))
const members = <T>(count: number, value: T): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`a1${index}`, value]))

for (const [what, schema, value, fitting] of [
  [
    'alternatives for each member',
    { additionalProperties: { anyOf: constants } },
    members(50_000, 19),
    members(1000, 19)
  ],
  [
    'patterns for each name',
    { patternProperties: Object.fromEntries(constants.map(({ const: index }) => [`^a${index}.*z$`, {}])) },
    members(50_000, 19),
    members(1000, 19)
  ],
  [
    'alternatives that look at each item',
    {
      properties: { a: { anyOf: [...constants.slice(1).map(() => ({ contains: { type: 'string' } })), {}] } }
    },
    { a: Array(90_000).fill(1) },
    { a: [1] }
  ],
  [
    'alternatives for a long text',
    {
      properties: {
        a: { anyOf: [...constants.map(({ const: index }) => ({ pattern: `^[a-z]*${index}$` })), {}] }
      }
    },
    { a: 'x'.repeat(900_000) },
    { a: 'x' }
  ],
  [
    'names that are not there',
    { properties: { a: { items: { properties: members(1000, {}) } } } },
    { a: Array.from({ length: 80_000 }, () => ({})) },
    { a: Array.from({ length: 2000 }, () => ({})) }
  ]
] as const) {
  t.test(`${what} are counted, whichever of them fail`, async t => {
    t.equal(await problem({ type: 'object', ...schema }, value), tooMuch)
    t.equal(await problem({ type: 'object', ...schema }, fitting), undefined)
  })
}
