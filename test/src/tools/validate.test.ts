/**
 * Mistakes in an item stop the start with an error that names them. A misspelled access rule would leave the
 * item open.
 */
import t from 'tap'
import { z } from 'zod'
import { Catalog } from '../../../src/mcp/catalog/catalog.js'
import { requireItem } from '../../../src/tools/validate.js'
import { callOf, post, service, withToken } from '../../support/service.js'

const info = { name: 'test', version: '1' }
const handler = (): string => 'x'

const wrong: Array<[what: string, items: Record<string, unknown>, message: RegExp]> = [
  [
    'a misspelt access',
    { tools: [{ name: 'x', handler, acess: { roles: ['admin'] } }] },
    /^Tool "x": acess is not an option; the options are name, .*access/
  ],
  [
    'a misspelt roles',
    { tools: [{ name: 'x', handler, access: { role: ['admin'] } }] },
    /^Tool "x": access: role is not an option; the options are roles, scopes, allow, denied$/
  ],
  [
    'an access that is not a rule',
    { tools: [{ name: 'x', handler, access: 'admin' }] },
    /^Tool "x": access must be an object with roles/
  ],
  [
    'a role instead of a list',
    { tools: [{ name: 'x', handler, access: { roles: 'admin' } }] },
    /^Tool "x": access: each role must be admin, user or your own name/
  ],
  [
    'an invalid role',
    { tools: [{ name: 'x', handler, access: { roles: ['the boss'] } }] },
    /each role must be/
  ],
  [
    'a role that only looks like admin',
    { tools: [{ name: 'x', handler, access: { roles: ['Admin'] } }] },
    /each role must be/
  ],
  [
    'a scope instead of a list',
    { tools: [{ name: 'x', handler, access: { scopes: 'a:b' } }] },
    /^Tool "x": access: scopes must be an array/
  ],
  [
    'an invalid scope',
    { tools: [{ name: 'x', handler, access: { scopes: ['a b'] } }] },
    /scopes must be an array/
  ],
  [
    'a rule that is not a function',
    { tools: [{ name: 'x', handler, access: { allow: true } }] },
    /^Tool "x": access: allow must be a function$/
  ],
  [
    'an unknown value of denied',
    { tools: [{ name: 'x', handler, access: { denied: 'refuse' } }] },
    /denied must be 'hide', 'challenge' or 'error'$/
  ],
  [
    'a rate without its window',
    { tools: [{ name: 'x', handler, rate: { max: 1 } }] },
    /^Tool "x": rate requires max and windowMs$/
  ],
  [
    'a misspelt window',
    { tools: [{ name: 'x', handler, rate: { max: 1, window: 1 } }] },
    /^Tool "x": rate: window is not an option; the options are max, windowMs$/
  ],
  [
    'a misspelt input',
    { tools: [{ name: 'x', handler, inputSchema: {} }] },
    /^Tool "x": write `input` instead of `inputSchema`$/
  ],
  ['no handler', { tools: [{ name: 'x' }] }, /^Tool "x": handler must be a function$/],
  [
    'a description that is not a string',
    { tools: [{ name: 'x', handler, description: 1 }] },
    /^Tool "x": description must be a string$/
  ],
  [
    'a rule that promises',
    { tools: [{ name: 'x', handler, access: { allow: async () => true } }] },
    /^Tool "x": access: allow must return a boolean, not a promise$/
  ],
  [
    'a tool with a blank in its name',
    { tools: [{ name: 'x y', handler }] },
    /^Tool "x y": name must be 1 to 128 of/
  ],
  [
    'a title that is not a string',
    { prompts: [{ name: 'x', handler, title: {} }] },
    /^Prompt "x": title must be a string$/
  ],
  [
    'a _meta that is a list',
    { prompts: [{ name: 'x', handler, _meta: [] }] },
    /^Prompt "x": _meta must be an object$/
  ],
  [
    'a hint that is a text',
    { tools: [{ name: 'x', handler, annotations: { readOnlyHint: 'yes' } }] },
    /^Tool "x": annotations must be hints/
  ],
  [
    'annotations of a resource beyond 1',
    { resources: [{ name: 'x', uri: 'x://y', read: handler, annotations: { priority: 2 } }] },
    /^Resource "x": annotations must be audience/
  ],
  [
    'an icon without a source',
    { tools: [{ name: 'x', handler, icons: [{ mimeType: 'image/png' }] }] },
    /^Tool "x": each icon must be an object with src/
  ],
  [
    'an icon instead of a list',
    { tools: [{ name: 'x', handler, icons: { src: 'x' } }] },
    /each icon must be/
  ],
  [
    'a MIME type that is not a string',
    { resources: [{ name: 'x', uri: 'x://y', read: handler, mimeType: 1 }] },
    /^Resource "x": mimeType must be a string$/
  ],
  [
    'a size that is a text',
    { resources: [{ name: 'x', uri: 'x://y', read: handler, size: '1kb' }] },
    /^Resource "x": size must be a number of bytes$/
  ],
  [
    'a size that JSON cannot write',
    { resources: [{ name: 'x', uri: 'x://y', read: handler, size: NaN }] },
    /^Resource "x": size must be a number of bytes$/
  ],
  [
    'a resource without an address',
    { resources: [{ name: 'x', read: handler }] },
    /^Resource "x": set either uri or uriTemplate$/
  ],
  [
    'a resource with two addresses',
    { resources: [{ name: 'x', uri: 'x://y', uriTemplate: 'x://{a}', read: handler }] },
    /^Resource "x": set either uri or uriTemplate$/
  ],
  [
    'a URI object',
    { resources: [{ name: 'x', uri: new URL('https://a.example'), read: handler }] },
    /^Resource "x": uri must be a string$/
  ],
  [
    'a template that is null',
    { resources: [{ name: 'x', uriTemplate: null, read: handler }] },
    /^Resource "x": uriTemplate must be a string$/
  ],
  [
    'a completer that is not a function',
    { prompts: [{ name: 'x', input: z.object({ a: z.string() }), handler, complete: { a: ['b'] } }] },
    /^Prompt "x": complete must be an object of functions$/
  ],
  [
    'a completer of an unknown argument',
    { prompts: [{ name: 'x', input: z.object({ a: z.string() }), handler, complete: { b: () => [] } }] },
    /^Prompt "x": complete: b is not an argument or variable; they are a$/
  ],
  [
    'a completer of an unknown variable',
    { resources: [{ name: 'x', uriTemplate: 'x://{a}', read: handler, complete: { b: () => [] } }] },
    /^Resource "x": complete: b is not an argument or variable; they are a$/
  ],
  [
    'a prompt with a JSON Schema',
    { prompts: [{ name: 'x', input: { type: 'object' }, handler }] },
    /^Prompt x, input schema: must be z\.object\(\{ … \}\) of zod 4$/
  ],
  [
    'a prompt with a zod schema that is no object',
    { prompts: [{ name: 'x', input: z.object({}).optional(), handler }] },
    /^Prompt x, input schema: must be z\.object/
  ],
  [
    'a prompt with a bare shape',
    { prompts: [{ name: 'x', input: { a: z.string() }, handler }] },
    /^Prompt x, input schema: is a bare shape; write z\.object/
  ],
  [
    'a prompt with null as its input',
    { prompts: [{ name: 'x', input: null, handler }] },
    /^Prompt x, input schema: must be a schema, not null/
  ],
  [
    'a tag instead of a list',
    { tools: [{ name: 'x', handler, tags: 'a' }] },
    /^Tool "x": tags must be an array of strings$/
  ],
  [
    'a prompt with a rate',
    { prompts: [{ name: 'x', handler, rate: { max: 1, windowMs: 1 } }] },
    /^Prompt "x": rate is not an option/
  ],
  ['a prompt without a name', { prompts: [{ handler }] }, /^Prompt: name must be a non-empty string$/],
  [
    'a resource with a handler',
    { resources: [{ name: 'x', uri: 'x://y', handler }] },
    /^Resource "x": handler is not an option; the options are .*read/
  ],
  [
    'a resource without read',
    { resources: [{ name: 'x', uri: 'x://y' }] },
    /^Resource "x": read must be a function$/
  ],
  [
    'a resource with a misspelt rule',
    { resources: [{ name: 'x', uri: 'x://y', read: handler, access: { scope: ['a'] } }] },
    /^Resource "x": access: scope is not an option/
  ]
]

for (const [what, items, message] of wrong) {
  t.test(`${what} is named in the error`, async t => {
    t.throws(() => Reflect.construct(Catalog, [{ info, tools: [], ...items }]), { name: 'TypeError', message })
  })
}

for (const [what, limits] of [
  ['a deadline of 0', { deadlineMs: 0 }],
  ['half a call', { concurrency: 0.5 }],
  ['a cost below 1', { cost: -1 }],
  ['a result of no bytes', { maxResultBytes: 0 }],
  ['a rate of 0', { rate: { max: 0, windowMs: 1 } }],
  ['an infinite window', { rate: { max: 1, windowMs: Infinity } }]
] as const) {
  t.test(`${what} as a limit of a tool is named in the error`, async t => {
    t.throws(() => new Catalog({ info, tools: [{ name: 'x', handler, ...limits }] }), {
      name: 'RangeError',
      message: /^Tool "x".*must be a whole number from 1$/
    })
  })
}

t.test('an empty list of roles is accepted and means nobody', async t => {
  t.doesNotThrow(() => new Catalog({ info, tools: [{ name: 'x', handler, access: { roles: [] } }] }))
})

t.test('a class instance with additional members is accepted', async t => {
  class Counter {
    readonly name = 'count'
    readonly access = { roles: ['admin' as const] }
    count = 0
    handler (): string { return String(++this.count) }
  }
  const app = await service(t, { tools: [new Counter()] })
  const { result } = (await post(app, callOf('count'), withToken('root', 'admin'))).body
  t.match(result, { content: [{ text: '1' }] })
  t.match((await post(app, callOf('count'))).body.error, { data: { code: 'MCP_ERR_UNKNOWN_TOOL' } })
})

t.test('field names of other libraries are refused with ours', async t => {
  for (const [fields, words] of [
    [{ inputSchema: {} }, /^Tool "x": write `input` instead of `inputSchema`$/],
    [{ parameters: {}, execute () {} }, /^Tool "x": write `input` instead of `parameters`, and `handler` instead of `ex/],
    [{ outputSchema: {} }, /^Tool "x": write `output` instead of `outputSchema`$/],
    [{ schema: {} }, /^Tool "x": write `input` instead of `schema`$/]
  ] as const) {
    t.throws(() => { requireItem('Tool', { name: 'x', ...fields }) }, { name: 'TypeError', message: words })
  }
})
