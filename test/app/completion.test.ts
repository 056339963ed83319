/** Completion of prompt and template arguments, in both eras. */
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { type Answer, modern, post, rpc, service, withKey } from '../support/service.js'

const eras = [
  [
    '2025-11-25',
    async (app: FastifyInstance, params: Record<string, unknown>): Promise<Answer> =>
      await post(app, rpc('completion/complete', params))
  ],
  [
    '2026-07-28',
    async (app: FastifyInstance, params: Record<string, unknown>): Promise<Answer> => {
      const { headers, payload } = modern('completion/complete', params)
      return await post(app, payload, { ...withKey, ...headers })
    }
  ]
] as const

const cities: Readonly<Record<string, string[]>> = { fr: ['Lyon', 'Paris'], it: ['Pisa', 'Rome'] }
const visit = definePrompt({
  name: 'visit',
  input: z.object({ country: z.string(), city: z.string() }),
  complete: {
    city: (text, { arguments: { country = '' } }) =>
      (cities[country] ?? []).filter(city => city.startsWith(text))
  },
  handler: ({ city }) => city
})
const map = defineResource({
  name: 'map',
  uriTemplate: 'map://{country}/{city}',
  complete: {
    city: (_text, { arguments: { country = '' }, principal }) => [
      ...(cities[country] ?? []),
      principal.method
    ]
  },
  read: () => 'here'
})
const here = defineResource({ name: 'here', uri: 'map://here', read: () => 'here' })
const prompt = { type: 'ref/prompt', name: 'visit' }
const template = { type: 'ref/resource', uri: 'map://{country}/{city}' }
const items = { prompts: [visit], resources: [map, here] }

for (const [era, complete] of eras) {
  t.test(`completion gets the values that were entered before (${era})`, async t => {
    const app = await service(t, items)
    const argument = { name: 'city', value: 'P' }
    t.same(
      (await complete(app, { ref: prompt, argument, context: { arguments: { country: 'fr' } } })).body.result
        .completion,
      { values: ['Paris'], total: 1, hasMore: false }
    )
    t.same(
      (await complete(app, { ref: template, argument, context: { arguments: { country: 'it' } } })).body
        .result.completion.values,
      ['Pisa', 'Rome', 'api-key']
    )
    for (const rest of [{}, { context: {} }]) {
      t.same((await complete(app, { ref: prompt, argument, ...rest })).body.result.completion.values, [])
    }
  })

  t.test(`completion without a completer returns an empty list (${era})`, async t => {
    const app = await service(t, items)
    for (const [ref, name] of [
      [prompt, 'country'],
      [prompt, 'constructor'],
      [{ type: 'ref/resource', uri: 'map://here' }, 'x']
    ] as const) {
      t.same((await complete(app, { ref, argument: { name, value: '' } })).body.result.completion, {
        values: [],
        total: 0,
        hasMore: false
      })
    }
  })

  const argument = { name: 'city', value: '' }
  for (const [what, params] of [
    ['an unknown prompt', { ref: { type: 'ref/prompt', name: 'nobody' }, argument }],
    ['an unknown template', { ref: { type: 'ref/resource', uri: 'map://{nowhere}' }, argument }],
    ['a URI instead of its template', { ref: { type: 'ref/resource', uri: 'map://fr/Paris' }, argument }],
    ['a tool', { ref: { type: 'ref/tool', name: 'whoami' }, argument }],
    ['nothing', { argument }],
    ['an argument without a value', { ref: prompt, argument: { name: 'city' } }],
    ['a context that is not an object', { ref: prompt, argument, context: 'fr' }],
    ['an object as other argument', { ref: prompt, argument, context: { arguments: { country: {} } } }]
  ] as const) {
    t.test(`a completion of ${what} is refused with -32602 (${era})`, async t => {
      const { status, body } = await complete(await service(t, items), params)
      t.equal(status, 200)
      t.equal(body.error.code, -32602)
    })
  }

  t.test(`a completion costs as much as its item and ends at its deadline (${era})`, async t => {
    const slow = definePrompt({
      ...visit,
      cost: 10,
      deadlineMs: 50,
      complete: { city: async () => await new Promise<string[]>(() => {}) }
    })
    const app = await service(t, { prompts: [slow] })
    const { status, headers, body } = await complete(app, { ref: prompt, argument })
    t.equal(status, 200)
    t.match(body.error, { data: { code: 'MCP_ERR_DEADLINE' } })
    t.equal(headers['x-ratelimit-remaining'], '90')
  })
}

for (const [era, complete] of eras) {
  for (const [what, values] of [
    ['a string', 'Lyon'],
    ['numbers', [1]],
    ['nothing', undefined],
    ['a list with a hole', ['Lyon', undefined]]
  ] as const) {
    t.test(`a completer that returns ${what} is a fault (${era})`, async t => {
      const odd = definePrompt({ ...visit, complete: { city: () => values as unknown as string[] } })
      const app = await service(t, { prompts: [odd] })
      t.match((await complete(app, { ref: prompt, argument: { name: 'city', value: '' } })).body.error, {
        data: { code: 'MCP_ERR_INTERNAL' }
      })
    })
  }
}
