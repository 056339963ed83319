/** The work and the messages of a check are bounded, for every schema and value. */
import t from 'tap'
import { z } from 'zod'
import type { Schema } from '../../../../src/tools/content.js'
import { compile } from '../../../../src/mcp/schemas/compile.js'
import { recursive, problem } from '../../../support/schema-problem.js'

/** The same schema in a form whose references cannot be cached. */
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

for (const [kind, schema] of [['JSON Schema', recursive], ['zod', ofZod]] as const) {
  for (const levels of [1, 26, 60]) {
    t.test(`a valid filter of ${levels} levels passes a recursive ${kind}`, async t => {
      t.equal(await problem(schema, { filter: nested(levels, { field: 'x' }) }), undefined)
    })
  }

  t.test(`a recursive ${kind} refuses an invalid filter of 60 levels with a short message`, async t => {
    const words = await problem(schema, { filter: nested(60, {}) })
    t.match(words, /^filter/)
    t.ok(words !== undefined && words.length < 2500)
  })
}

t.test('work that cannot be cached stops at the budget', async t => {
  t.equal(await problem(unevaluated, { filter: nested(5, { field: 'x' }) }), undefined)
  t.equal(
    await problem(unevaluated, { filter: nested(26, {}) }),
    'arguments: too large, or nested too deeply for this schema; send less'
  )
  t.equal(
    await problem(unevaluated, { filter: nested(12, { field: 'x' }) }),
    'arguments: too large, or nested too deeply for this schema; send less',
    'the budget is smaller if each level copies errors'
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

t.test('each check has its own budget', async t => {
  const { check } = compile(unevaluated, 'input')
  t.match(await check({ filter: nested(26, {}) }), { ok: false })
  t.match(await check({ filter: nested(5, { field: 'x' }) }), { ok: true })
})

t.test('a list of 99,000 numbers passes a plain schema of either kind', async t => {
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

t.test('a check with JSON Schema stops at the first problem', async t => {
  const schema = { type: 'object', properties: { list: { type: 'array', items: { type: 'number' } } } }
  const list = Array.from({ length: 90_000 }, () => 'x')
  t.equal(await problem(schema, { list }), 'list.0: must be number')
})

t.test('an enum of 50,000 texts is fast for 90,000 values', async t => {
  const values = Array.from({ length: 50_000 }, (_, index) => `value ${index}`)
  const schema = { type: 'object', properties: { list: { type: 'array', items: { enum: values } } } }
  t.equal(await problem(schema, { list: Array.from({ length: 90_000 }, () => values.at(-1)) }), undefined)
})

t.test("a caller's property name is truncated to 200 characters", async t => {
  const schema = { type: 'object', additionalProperties: { type: 'string' } }
  t.equal(await problem(schema, { ['x'.repeat(1000)]: 1 }), `${'x'.repeat(200)}…: must be string`)
})

t.test('many problems with long names give a short message', async t => {
  const schema = { type: 'object', additionalProperties: { type: 'string' }, propertyNames: { maxLength: 5 } }
  const words = await problem(schema, { ['x'.repeat(500_000)]: 1 })
  t.ok(words !== undefined && words.length < 2500)
  const many = { type: 'object', oneOf: Array.from({ length: 500 }, () => ({ required: ['there'] })) }
  t.match(await problem(many, {}), /; and \d+ more$/)
})

t.test('a text that a pattern would match for seconds is refused by length', async t => {
  const of = (pattern: string): Schema => ({ type: 'object', properties: { text: { type: 'string', pattern } } })
  t.match(await problem(of('\\s+$'), { text: `${' '.repeat(200_000)}x` }), /must match pattern/)
  t.match(await problem(of('^.*a.*b.*c$'), { text: `${'ab'.repeat(100_000)}x` }), /must match pattern/)
  t.equal(await problem(of('^.*a.*b.*c$'), { text: 'xaybzc' }), undefined)
  t.equal(await problem(of('^[a-z]+$'), { text: 'x'.repeat(500_000) }), undefined)
})

for (const pattern of ['(\\w+\\s?){5}$', '^a*a*a*a*a*a*a*a*a*b$', `^${'a{0,9}'.repeat(9)}b$`]) {
  t.test(`a text that ${pattern} matches in many ways is refused by length`, async t => {
    const schema = { type: 'object', properties: { text: { type: 'string', pattern } } }
    for (const length of [9, 20, 100, 500]) t.match(await problem(schema, { text: `${'a'.repeat(length)}!` }), /pattern/)
  })
}

t.test('an exponential pattern stops the start with a reason', async t => {
  const of = (pattern: string) => async () =>
    await problem({ type: 'object', properties: { text: { pattern } } }, { text: '' })
  await t.rejects(of('^([a-z]{0,9}){0,9}!$'), /takes exponential time/)
  const alternatives = Array.from({ length: 600 }, (_, index) => `[a-z]${index}*`).join('|')
  await t.rejects(of(`^(${alternatives})*$`), /too large to analyse/)
})

for (const [what, schema] of [
  ['the names of a JSON Schema', { type: 'object', patternProperties: { '^(a+)+$': {} } }],
  ['the keys of a zod record', z.object({ a: z.record(z.string().regex(/^(a+)+$/), z.number()) })],
  ['the keys of a loose zod record', z.object({ a: z.looseRecord(z.string().regex(/^(a+)+$/), z.number()) })]
] as const) {
  t.test(`an exponential pattern for ${what} stops the start`, async t => {
    t.throws(() => compile(schema, 'input'), /takes exponential time/)
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
      properties: { a: { anyOf: [...constants.slice(0, 2).map(() => ({ contains: { type: 'string' } })), {}] } }
    },
    { a: Array(70_000).fill(1) },
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
    'alternatives that compare a large value with objects',
    { properties: { a: { anyOf: [...constants.map(({ const: index }) => ({ enum: [{ b: index }] })), {}] } } },
    { a: { b: Array(99_000).fill('a text') } },
    { a: { b: ['a text'] } }
  ],
  [
    'alternatives that compare large items with each other',
    { properties: { a: { anyOf: [...constants.map(() => ({ uniqueItems: true })), {}] } } },
    { a: [Array(49_000).fill('a text'), Array(49_000).fill('a text')] },
    { a: [['a text'], ['a text']] }
  ],
  [
    'alternatives of another type, of which one may match,',
    { properties: { a: { items: { oneOf: [...Array.from({ length: 99 }, () => ({ type: 'string' })), {}] } } } },
    { a: Array(20_000).fill(1) },
    { a: Array(500).fill(1) }
  ],
  [
    'missing names in alternatives',
    { properties: { a: { items: { anyOf: [{ properties: members(1000, {}), required: ['b'] }, {}] } } } },
    { a: Array.from({ length: 20_000 }, () => ({})) },
    { a: Array.from({ length: 200 }, () => ({})) }
  ],
  [
    'missing names',
    { properties: { a: { items: { properties: members(1000, {}) } } } },
    { a: Array.from({ length: 80_000 }, () => ({})) },
    { a: Array.from({ length: 2000 }, () => ({})) }
  ]
] as const) {
  t.test(`${what} are counted, whether they fail or not`, async t => {
    t.equal(await problem({ type: 'object', ...schema }, value), tooMuch)
    t.equal(await problem({ type: 'object', ...schema }, fitting), undefined)
  })
}
