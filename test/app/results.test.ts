/** Results and their `_meta` as callers of both eras receive them. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { defineTool } from '../../src/tools/tool.js'
import { type Answer, modern, post, rpc, service, withKey } from '../support/service.js'

const eras = [
  [
    '2025-11-25',
    async (app: FastifyInstance, method: string, params?: Record<string, unknown>): Promise<Answer> =>
      await post(app, rpc(method, params))
  ],
  [
    '2026-07-28',
    async (app: FastifyInstance, method: string, params?: Record<string, unknown>): Promise<Answer> => {
      const { headers, payload } = modern(method, params)
      return await post(app, payload, { ...withKey, ...headers })
    }
  ]
] as const

const _meta = { 'example.com/ui': { view: 'ui://chart' } }
const output = z.object({ count: z.number() })
const text = (value: string) => [{ type: 'text' as const, text: value }]

for (const [era, ask] of eras) {
  for (const [what, tool, expected] of [
    ['a text', { handler: () => ({ content: text('done'), _meta }) }, { content: text('done') }],
    [
      'structured content',
      { handler: () => ({ structuredContent: { count: 1 }, _meta }) },
      { content: text('{"count":1}'), structuredContent: { count: 1 } }
    ],
    [
      'structured content with a schema',
      { output, handler: () => ({ structuredContent: { count: 1 }, _meta }) },
      { content: text('{"count":1}'), structuredContent: { count: 1 } }
    ],
    [
      'an error',
      { handler: () => ({ content: text('no'), isError: true, _meta }) },
      { content: text('no'), isError: true }
    ]
  ] as const) {
    t.test(`the _meta of ${what} reaches the caller (${era})`, async t => {
      const app = await service(t, { tools: [defineTool({ name: 'chart', ...tool })] })
      const { result } = (await ask(app, 'tools/call', { name: 'chart' })).body
      t.match(result, { ...expected, _meta })
      if (era === '2026-07-28') {
        t.match(result._meta, { 'io.modelcontextprotocol/serverInfo': { name: 'fastify-mcp-auth' } })
      }
    })
  }

  for (const [what, tool, expected] of [
    [
      'without a schema',
      {
        handler: () => ({ content: text('no'), structuredContent: { why: 'busy' }, isError: true as const })
      },
      { content: text('no'), structuredContent: { why: 'busy' } }
    ],
    [
      'without a text',
      { handler: () => ({ structuredContent: { why: 'busy' }, isError: true as const }) },
      { content: text('{"why":"busy"}'), structuredContent: { why: 'busy' } }
    ],
    [
      'that match the schema',
      {
        output,
        handler: () => ({ content: text('no'), structuredContent: { count: 0 }, isError: true as const })
      },
      { content: text('no'), structuredContent: { count: 0 } }
    ],
    [
      'that do not match the schema, only as text,',
      { output, handler: () => ({ structuredContent: { why: 'busy' }, isError: true as const }) },
      { content: text('{"why":"busy"}'), structuredContent: undefined }
    ]
  ] as const) {
    t.test(`error fields ${what} reach the caller (${era})`, async t => {
      const app = await service(t, { tools: [defineTool({ name: 'fail', ...tool })] })
      const { result } = (await ask(app, 'tools/call', { name: 'fail' })).body
      t.match(result, { content: expected.content, isError: true })
      t.same(result.structuredContent, expected.structuredContent)
    })
  }

  t.test(`the _meta of items is in lists, and that of contents in results (${era})`, async t => {
    const app = await service(t, {
      tools: [defineTool({ name: 'chart', _meta, handler: () => '' })],
      resources: [
        { name: 'one', uri: 'x://one', _meta, read: (uri: string) => [{ uri, text: 'one', _meta }] },
        { name: 'each', uriTemplate: 'x://each/{id}', _meta, read: () => ({ text: 'each', _meta }) }
      ],
      prompts: [
        {
          name: 'ask',
          _meta,
          handler: () => ({
            messages: [{ role: 'user', content: { type: 'text', text: 'hi', _meta } }],
            _meta
          })
        }
      ]
    })
    for (const [method, list] of [
      ['tools/list', 'tools'],
      ['resources/list', 'resources'],
      ['resources/templates/list', 'resourceTemplates'],
      ['prompts/list', 'prompts']
    ] as const) {
      t.match((await ask(app, method)).body.result[list][0], { _meta }, method)
    }
    for (const uri of ['x://one', 'x://each/1']) {
      t.match((await ask(app, 'resources/read', { uri })).body.result.contents, [{ uri, _meta }])
    }
    t.match((await ask(app, 'prompts/get', { name: 'ask' })).body.result, { messages: [{ content: { _meta } }], _meta })
  })
}

t.test(
  'an invalid _meta is a fault in a result, and stops the start in an item',
  async t => {
    const broken = {
      handler: () => ({ content: [], _meta: 'ui' as unknown as object as Record<string, unknown> })
    }
    const app = await service(t, { tools: [defineTool({ name: 'broken', ...broken })] })
    t.match((await post(app, rpc('tools/call', { name: 'broken' }))).body.result, {
      isError: true,
      content: [{ text: /^Internal error/ }]
    })
    await t.rejects(
      service(t, {
        tools: [
          {
            ...defineTool({ name: 'shaky', handler: () => '' }),
            _meta: [] as unknown as Record<string, unknown>
          }
        ]
      }),
      { message: /^Tool "shaky": _meta must be an object/ }
    )
  }
)
