/** The caller's identity for an upstream: in `_meta`, and in the arguments and environment of its process. */
import t from 'tap'
import { readUpstreams } from '../../src/upstreams/options.js'
import { adaKey, bobKey, callOf, listening, post } from '../support/service.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

// eslint-disable-next-line no-template-curly-in-string
const mark = '${caller}'
const callerKey = 'fastify-mcp-auth/caller'

for (const era of ['modern', 'legacy'] as const) {
  t.test(`identityMeta names the caller in each request and cannot be forged (${era})`, async t => {
    const url = await listening(await serving(t, { one: { ...hostile(), share: 'all', identityMeta: true } }))
    const [ada, bob] = [await client(t, url, adaKey, { era }), await client(t, url, bobKey, { era })]
    const metaOf = async (one: typeof ada): Promise<Record<string, unknown>> =>
      JSON.parse(textOf(await one.callTool({ name: 'meta', _meta: { [callerKey]: 'somebody-else', other: 1 } })))
    const [first, second] = [await metaOf(ada), await metaOf(bob)]
    t.match(first[callerKey], /^apikey:/)
    t.match(second[callerKey], /^apikey:/)
    t.not(first[callerKey], second[callerKey])
    t.notMatch(JSON.stringify([first, second]), /somebody-else|other/)
  })
}

t.test('without identityMeta the upstream gets nothing about the caller', async t => {
  const app = await serving(t, { one: hostile() })
  const { body } = await post(app, callOf('meta'))
  t.notMatch(body.result.content[0].text, /apikey/)
})

t.test('the identity marker is stable and different for each caller', async t => {
  const upstream = { ...hostile(mark), env: { OWN: `/data/${mark}.json` } }
  const url = await listening(await serving(t, { one: upstream }))
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey)]
  const seen = async (one: typeof ada): Promise<{ args: string[], own: string }> =>
    JSON.parse(textOf(await one.callTool({ name: 'arguments' })))
  const [first, second, third] = [await seen(ada), await seen(bob), await seen(ada)]
  t.match(first.args[0], /^[0-9a-f]{32}$/)
  t.equal(first.own, `/data/${first.args[0]}.json`)
  t.not(first.own, second.own)
  t.same(first, third)
})

t.test('the identity marker is refused if callers share a process', async t => {
  t.throws(() => readUpstreams({ mcpServers: { one: { command: 'x', args: [mark], share: 'all' } } }, {}), {
    message: /requires `"share": "caller"`/
  })
})
