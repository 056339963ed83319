/** Errors in resources, prompts, access rules and schemas: masked for the caller, and logged. */
import t from 'tap'
import { z } from 'zod'
import { PublicToolError, RateLimitedError } from '../../src/errors.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, modern, post, rpc, service, withKey } from '../support/service.js'
import { eras, fails, secret, trap } from '../support/masked.js'

const fail = async (): Promise<never> => {
  throw Object.assign(new Error(secret), { code: -32002, data: { secret } })
}
const broken = {
  resources: [
    { name: 'r', uri: 'x://r', read: fail },
    { name: 't', uriTemplate: 'x://t/{id}', read: fail, complete: { id: fail } }
  ],
  prompts: [{ name: 'p', handler: fail, complete: { id: fail } }]
}

for (const [era, call] of eras) {
  t.test(`a PublicToolError reaches the caller (${era})`, async t => {
    const app = await service(t, {
      tools: [
        fails('sorry', () => {
          throw new PublicToolError('No such invoice', { cause: new Error(secret) })
        })
      ]
    })
    const { status, text, body } = await call(app, 'sorry')
    t.equal(status, 200)
    t.match(body.result, { isError: true, content: [{ type: 'text', text: 'No such invoice' }] })
    t.notMatch(text, secret)
  })

  t.test(`a refusal inside a tool is a readable result (${era})`, async t => {
    const app = await service(t, {
      tools: [
        fails('busy', () => {
          throw new RateLimitedError({
            data: { retryAfterMs: 5000 },
            headers: { 'retry-after': '5' },
            reason: secret
          })
        })
      ]
    })
    const { status, headers, text, body } = await call(app, 'busy')
    t.equal(status, 200)
    t.equal(headers['retry-after'], '5')
    t.match(body, {
      id: 'e',
      result: {
        isError: true,
        content: [{ text: /code: MCP_ERR_RATE_LIMITED, retryAfterMs: 5000, requestId: [\w-]{36}$/ }]
      }
    })
    t.notMatch(text, secret)
  })
}

for (const [what, method, params] of [
  ['a resource', 'resources/read', { uri: 'x://r' }],
  ['a template', 'resources/read', { uri: 'x://t/1' }],
  ['a prompt', 'prompts/get', { name: 'p' }],
  [
    'a completion of a prompt',
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'id', value: '' } }
  ],
  [
    'a completion of a template',
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'x://t/{id}' }, argument: { name: 'id', value: '' } }
  ]
] as const) {
  t.test(`${what} that throws is a masked fault, in both eras`, async t => {
    const app = await service(t, broken)
    const { headers, payload } = modern(method, params)
    for (const answer of [
      await post(app, rpc(method, params)),
      await post(app, payload, { ...withKey, ...headers })
    ]) {
      t.equal(answer.status, 200)
      t.match(answer.body.error, {
        code: -32603,
        message: 'Internal error',
        data: { code: 'MCP_ERR_INTERNAL', requestId: String }
      })
      t.notMatch(answer.text, secret)
    }
  })
}

for (const messages of [
  ['x'],
  [null],
  [{ role: 'user', content: 'x' }],
  [{ role: 'system', content: { type: 'text', text: 'x' } }]
]) {
  t.test(`a prompt that returns ${JSON.stringify(messages)} is a fault`, async t => {
    const app = await service(t, {
      prompts: [definePrompt({ name: 'odd', handler: () => ({ messages }) as never })]
    })
    t.match((await post(app, rpc('prompts/get', { name: 'odd' }))).body.error, {
      data: { code: 'MCP_ERR_INTERNAL' }
    })
  })
}

t.test('a resource error named like a prototype member is a logged fault', async t => {
  for (const code of ['constructor', '__proto__', 'toString']) {
    const sink = logSink()
    const read = (): never => { throw Object.assign(new Error(secret), { code }) }
    const app = await service(t, { resources: [{ name: 'r', uri: 'x://r', read }], logStream: sink })
    const { status, body } = await post(app, rpc('resources/read', { uri: 'x://r' }))
    t.equal(status, 200)
    t.match(body.error, { message: 'Internal error', data: { code: 'MCP_ERR_INTERNAL' } })
    t.match(sink.lines().find(({ level }) => level === 50), { err: { message: secret } })
  }
})

t.test('an access rule that throws hides its item', async t => {
  const app = await service(t, {
    tools: [defineTool({ name: 'guarded', access: { allow: trap }, handler: () => 'in' })]
  })
  t.notMatch((await post(app, rpc('tools/list'))).text, /guarded/)
  t.equal((await post(app, callOf('guarded'))).body.error.data.code, 'MCP_ERR_UNKNOWN_TOOL')
})

t.test('a schema whose check throws is a fault', async t => {
  const picky = defineTool({
    name: 'picky',
    input: z.object({ a: z.string().refine(() => trap()) }),
    handler: () => 'in'
  })
  const app = await service(t, { tools: [picky] })
  const { text, body } = await post(app, callOf('picky', { a: 'x' }))
  t.ok(body.result?.isError === true || body.error?.data.code === 'MCP_ERR_INTERNAL')
  t.notMatch(text, secret)
})
