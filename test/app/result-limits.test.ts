/** The maximum size of results, and the advice in the error beyond it. */
import t from 'tap'
import { defineTool } from '../../src/tools/tool.js'
import { logSink } from '../support/log-sink.js'
import { callOf, modern, post, service, withKey } from '../support/service.js'

const of = (name: string, bytes: number, more: object = {}): ReturnType<typeof defineTool> =>
  defineTool({ name, handler: () => 'x'.repeat(bytes), ...more })
const tools = [
  of('small', 900),
  of('large', 1100),
  of('allowed', 1100, { maxResultBytes: 2000 }),
  of('narrow', 900, { maxResultBytes: 500 }),
  defineTool({ name: 'structured', handler: () => ({ structuredContent: { text: 'x'.repeat(600) } }) }),
  defineTool({ name: 'wide', handler: () => '\u0001'.repeat(200) }),
  defineTool({
    name: 'image',
    handler: () => ({ content: [{ type: 'image', data: 'AAAA'.repeat(300), mimeType: 'image/png' }] })
  })
]

for (const [name, isLarge] of [
  ['small', false],
  ['large', true],
  ['allowed', false],
  ['narrow', true],
  ['structured', true],
  ['wide', true],
  ['image', true]
] as const) {
  t.test(
    `the result of ${name} is ${isLarge ? 'refused with advice to request less' : 'answered'}, in both eras`,
    async t => {
      const sink = logSink()
      const app = await service(t, { tools, env: { RESULT_LIMIT: '1000' }, logStream: sink })
      const { headers, payload } = modern('tools/call', { name, arguments: {} })
      for (const { status, body } of [
        await post(app, callOf(name)),
        await post(app, payload, { ...withKey, ...headers })
      ]) {
        t.equal(status, 200)
        t.equal(body.result.isError === true, isLarge)
        if (isLarge) {
          t.match(body.result.content, [
            {
              text: /^The result is larger than the server allows; ask for less: a narrower filter, .*\. code: MCP_ERR_RESULT_TOO_LARGE, requestId: /
            }
          ])
        }
      }
      t.same(
        sink.lines().filter(({ level }) => Number(level) >= 50),
        []
      )
    }
  )
}

t.test('results have at most 1 MiB by default', async t => {
  const app = await service(t, { tools: [of('million', 1_000_000), of('more', 1024 * 1024)] })
  t.equal((await post(app, callOf('million'))).body.result.isError, undefined)
  t.equal((await post(app, callOf('more'))).body.result.isError, true)
})
