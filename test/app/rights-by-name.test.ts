/** Prompts, templates and completions are hidden from callers without access, in both eras. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { type Answer, modern, post, rpc, service, withToken } from '../support/service.js'

type Send = (
  app: FastifyInstance,
  method: string,
  params: Record<string, unknown>,
  credential: Record<string, string>
) => Promise<Answer>

const eras: ReadonlyArray<[string, Send]> = [
  ['2025-11-25', async (app, method, params, credential) => await post(app, rpc(method, params), credential)],
  ['2026-07-28', async (app, method, params, credential) => {
    const { headers, payload } = modern(method, params)
    return await post(app, payload, { ...credential, ...headers })
  }]
]

const admins = { access: { roles: ['admin'] } } as const
const argument = { name: 'x', value: '' }
const uses = [
  ['prompts/get', { name: 'plan', arguments: { x: 'a' } }, { name: 'nobody', arguments: { x: 'a' } }],
  [
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'plan' }, argument },
    { ref: { type: 'ref/prompt', name: 'nobody' }, argument }
  ],
  [
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'plan://{x}' }, argument },
    { ref: { type: 'ref/resource', uri: 'nobody://{x}' }, argument }
  ],
  ['resources/read', { uri: 'plan://a' }, { uri: 'nobody://a' }]
] as const

async function open (t: Test): Promise<FastifyInstance> {
  return await service(t, {
    prompts: [
      definePrompt({
        name: 'plan',
        ...admins,
        input: z.object({ x: z.string() }),
        complete: { x: () => ['secret'] },
        handler: () => 'secret'
      })
    ],
    resources: [
      defineResource({
        name: 'plan',
        ...admins,
        uriTemplate: 'plan://{x}',
        complete: { x: () => ['secret'] },
        read: () => 'secret'
      })
    ]
  })
}

for (const [era, send] of eras) {
  t.test(`an admin can use items for admins (${era})`, async t => {
    const app = await open(t)
    for (const [method, params] of uses) {
      t.match((await send(app, method, params, withToken('root', 'admin'))).text, /secret/, method)
    }
  })

  t.test(`items for admins are unknown to other callers (${era})`, async t => {
    const app = await open(t)
    for (const [method, params, none] of uses) {
      const hidden = (await send(app, method, params, withToken('eve'))).body.error
      const missing = (await send(app, method, none, withToken('eve'))).body.error
      t.ok(hidden, method)
      t.same(
        { code: hidden?.code, message: hidden?.message, own: hidden?.data.code },
        { code: missing.code, message: missing.message, own: missing.data.code }
      )
    }
    t.same((await send(app, 'prompts/list', {}, withToken('eve'))).body.result.prompts, [])
    t.same((await send(app, 'resources/templates/list', {}, withToken('eve'))).body.result.resourceTemplates, [])
  })
}
