/** Values that are accepted as a schema, and errors for all others. */
import * as v from 'valibot'
import t from 'tap'
import { z } from 'zod'
import type { Schema } from '../../../../src/tools/content.js'
import { compileObject } from '../../../../src/mcp/schemas/compile.js'

const zod3 = {
  _def: { typeName: 'ZodObject' },
  parse: () => {},
  '~standard': { vendor: 'zod', version: 1, validate: () => {} }
}

for (const [what, schema, words] of [
  ['a Valibot object', v.object({ a: v.string() }), /schema of valibot; write z\.object/],
  ['a schema of zod 3', zod3, /schema of zod 3; write z\.object/],
  [
    'a Standard Schema function',
    Object.assign(() => {}, { '~standard': { vendor: 'arktype' } }),
    /one of arktype; write z\.object/
  ],
  ['a bare zod shape', { a: z.string() }, /bare shape; write z\.object/],
  ['a bare Valibot shape', { a: v.string() }, /bare shape; write z\.object/],
  ['null', null, /must be a schema, not null/],
  ['a text', 'string', /must be a schema, not a string/],
  ['a function', () => 'its source', /must be a schema, not a function;/],
  ['a list', [{ type: 'object' }], /must be a schema, not an array;/]
] as const) {
  t.test(`${what} as a schema is refused with advice`, async t => {
    t.throws(() => compileObject(schema as unknown as Schema, 'input'), { name: 'TypeError', message: words })
  })
}

t.test('a zod object with an id has its type at the top', async t => {
  t.same(compileObject(z.object({ name: z.string() }).meta({ id: 'User' }), 'input').wire, {
    type: 'object', properties: { name: { type: 'string' } }, required: ['name']
  })
})

t.test('a recursive zod object with an id keeps its definition', async t => {
  const User = z.object({ name: z.string(), get friends () { return z.array(User).optional() } }).meta({ id: 'User' })
  const { wire, check } = compileObject(User, 'output')
  t.match(wire, {
    type: 'object',
    properties: { friends: { items: { $ref: '#/$defs/User' } } },
    $defs: { User: { type: 'object' } }
  })
  t.match(await check({ name: 'ada', friends: [{ name: 'bob' }] }), { ok: true })
})

t.test('a nested id becomes a definition of the schema', async t => {
  const Point = z.object({ x: z.number() }).meta({ id: 'Point' })
  const { wire } = compileObject(z.object({ at: Point, to: Point }), 'input')
  t.same(wire, {
    type: 'object',
    properties: { at: { $ref: '#/$defs/Point' }, to: { $ref: '#/$defs/Point' } },
    required: ['at', 'to'],
    $defs: { Point: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } }
  })
})

for (const id of ['User/of ~us', '100%', 'a user', 'a#b', 'ü', '__proto__']) {
  t.test(`a zod schema with the id ${id} gets a name that a URI can refer to`, async t => {
    const User = z.object({ name: z.string(), get friends () { return z.array(User).optional() } }).meta({ id })
    const Plain = z.object({ x: z.number() }).meta({ id: '_' })
    const good = { name: 'Ada', friends: [{ name: 'Bob' }] }
    for (const [schema, value, wrong] of [
      [User, good, { name: 'Ada', friends: [{}] }],
      [z.object({ one: User, other: User, plain: Plain, again: Plain }),
        { one: good, other: good, plain: { x: 1 }, again: { x: 2 } },
        { one: good, other: { name: 1 }, plain: { x: 1 }, again: { x: 2 } }]
    ] as const) {
      const { wire, checkWire } = compileObject(schema, 'output')
      t.equal(wire.type, 'object')
      for (const [, ref = ''] of JSON.stringify(wire).matchAll(/"\$ref":"#\/\$defs\/([^"]*)"/g)) {
        t.match(ref, /^[\w.-]+$/)
        t.ok(Object.hasOwn(Object(wire.$defs), ref), ref)
      }
      t.equal(checkWire(value).ok, true)
      t.equal(checkWire(wrong).ok, false)
    }
  })
}

for (const [what, schema] of [
  ['of a JSON Schema', { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }],
  ['for the names of properties', { type: 'object', patternProperties: { '^(a+)+$': {} } }],
  [
    'behind a reference',
    { type: 'object', $defs: { a: { pattern: '(a|a)*$' } }, properties: { a: { $ref: '#/$defs/a' } } }
  ],
  ['of a zod object', z.object({ a: z.string().regex(/^(a+)+$/) })]
] as const) {
  t.test(`a pattern ${what} with exponential time is refused`, async t => {
    t.throws(() => compileObject(schema, 'input'), { name: 'TypeError', message: /exponential time/ })
  })
}

t.test('a dangling $ref is refused', async t => {
  t.throws(() => compileObject({ type: 'object', properties: { a: { $ref: '#/$defs/b' } }, $defs: {} }, 'input'))
})
