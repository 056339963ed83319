/** Errors and refusals of handlers: HTTP 200 with a readable result, in every kind of answer. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { NotFoundError, PublicToolError, RateLimitedError } from '../../src/errors.js'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, eventsOf, modern, post, rpc, service, withKey } from '../support/service.js'
import { openSession } from '../support/session.js'

const busy = (): never => {
  throw new RateLimitedError({ data: { retryAfterMs: 5000 }, headers: { 'retry-after': '5' } })
}
const tools = [
  defineTool({ name: 'busy', handler: busy }),
  defineTool({ name: 'busy-later', handler: async (_args, { log }) => { await log('info', 'first'); return busy() } }),
  defineTool({ name: 'hangs', deadlineMs: 50, handler: async () => await new Promise<never>(() => {}) }),
  defineTool({ name: 'denied', access: { roles: ['admin'], denied: 'error' }, handler: () => 'in' }),
  defineTool({ name: 'dear', cost: 1000, handler: () => 'in' }),
  defineTool({ name: 'missing', handler: () => { throw new NotFoundError() } })
]
const words: Record<string, RegExp> = {
  busy: /^Too many requests; .*\. code: MCP_ERR_RATE_LIMITED, retryAfterMs: 5000, requestId: [\w-]{36}$/,
  'busy-later': /code: MCP_ERR_RATE_LIMITED, retryAfterMs: 5000, /,
  hangs: /code: MCP_ERR_DEADLINE, requestId: /,
  denied: /code: MCP_ERR_NOT_ALLOWED, requestId: /,
  dear: /code: MCP_ERR_RATE_LIMITED, /,
  missing: /^Not found\. code: MCP_ERR_NOT_FOUND, requestId: /
}

type Send = (app: FastifyInstance, name: string) => Promise<{ status: number, message: ReturnType<typeof JSON.parse> }>
const last = (text: string): ReturnType<typeof JSON.parse> =>
  text.startsWith('{') ? JSON.parse(text) : eventsOf(text).at(-1)

const ways: Record<string, Send> = {
  'a plain answer': async (app, name) => {
    const { status, text } = await post(app, callOf(name))
    return { status, message: last(text) }
  },
  'a batch': async (app, name) => {
    const { status, text } = await post(app, [callOf(name), rpc('ping', undefined, 2)])
    const messages = text.startsWith('[') ? JSON.parse(text) : eventsOf(text)
    return { status, message: messages.find(({ id }: { id?: number }) => id === 1) }
  },
  'a session': async (app, name) => {
    const { status, text } = await post(app, callOf(name), { ...withKey, ...await openSession(app) })
    return { status, message: last(text) }
  },
  'revision 2026-07-28': async (app, name) => {
    const { headers, payload } = modern('tools/call', { name, arguments: {} })
    const { status, text } = await post(app, payload, { ...withKey, ...headers })
    return { status, message: last(text) }
  }
}

for (const [way, send] of Object.entries(ways)) {
  for (const [name, text] of Object.entries(words)) {
    t.test(`${way} of the tool "${name}" is a readable result`, async t => {
      const app = await service(t, { tools, sessions: {} })
      const { status, message } = await send(app, name)
      t.equal(status, 200)
      t.match(message, { id: 1, result: { isError: true, content: [{ type: 'text', text }] } })
      if (way === 'revision 2026-07-28') t.match(message.result, { resultType: 'complete' })
    })
  }
}

const say = (): never => { throw new PublicToolError('Ask for a smaller range') }
const resources = [
  defineResource({ name: 'said', uri: 'x://said', read: say }),
  defineResource({ name: 'none', uriTemplate: 'x://none/{id}', read: () => undefined, complete: { id: say } }),
  defineResource({ name: 'thrown', uri: 'x://thrown', read: () => { throw new NotFoundError() } }),
  defineResource({ name: 'busy', uri: 'x://busy', read: busy })
]
const prompts = [definePrompt({ name: 'said', handler: say, complete: { a: say } as never })]

for (const [what, method, params, error] of [
  [
    'a PublicToolError of a resource',
    'resources/read',
    { uri: 'x://said' },
    { message: 'Ask for a smaller range', data: { code: 'MCP_ERR_HANDLER_REFUSAL' } }
  ],
  [
    'a PublicToolError of a prompt',
    'prompts/get',
    { name: 'said' },
    { message: 'Ask for a smaller range', data: { code: 'MCP_ERR_HANDLER_REFUSAL' } }
  ],
  [
    'a PublicToolError of a prompt completion',
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'said' }, argument: { name: 'a', value: '' } },
    { message: 'Ask for a smaller range' }
  ],
  [
    'a PublicToolError of a template completion',
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'x://none/{id}' }, argument: { name: 'id', value: '' } },
    { message: 'Ask for a smaller range' }
  ],
  [
    'a resource that returns nothing',
    'resources/read',
    { uri: 'x://none/1' },
    { data: { code: 'MCP_ERR_UNKNOWN_RESOURCE', uri: 'x://none/1' } }
  ],
  [
    'a resource that throws NotFoundError',
    'resources/read',
    { uri: 'x://thrown' },
    { data: { code: 'MCP_ERR_UNKNOWN_RESOURCE', uri: 'x://thrown' } }
  ],
  [
    'a resource that is busy',
    'resources/read',
    { uri: 'x://busy' },
    { code: 429, data: { code: 'MCP_ERR_RATE_LIMITED', retryAfterMs: 5000 } }
  ]
] as const) {
  t.test(`${what} is a JSON-RPC error with HTTP 200, in both eras`, async t => {
    const sink = logSink()
    const app = await service(t, { resources, prompts, logStream: sink })
    const { headers, payload } = modern(method, params)
    for (const { status, body } of [
      await post(app, rpc(method, params)),
      await post(app, payload, { ...withKey, ...headers })
    ]) {
      t.equal(status, 200)
      t.match(body, { id: 1, error })
    }
    t.same(
      sink.lines().filter(({ level }) => Number(level) >= 50),
      []
    )
  })
}
