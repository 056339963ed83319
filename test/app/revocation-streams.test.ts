/** Open streams and sessions end when their credential is revoked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { generateToken } from '../../src/tokens/generate.js'
import { defineTool } from '../../src/tools/tool.js'
import { succeeds } from '../support/play.js'
import { openState, statePath } from '../support/state.js'
import { listening, modern, post, rpc, service } from '../support/service.js'
import { secret } from '../support/tokens.js'
import { type Headers, bearer, mint, revoke } from '../support/revocation.js'
import { openSession } from '../support/session.js'
import { until } from '../support/until.js'

/** Opens a stream. `ended()` is true once the server has closed it. */
async function openStream (t: Test, url: string, init: RequestInit): Promise<{ ended: () => boolean }> {
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const response = await fetch(`${url}/mcp`, { ...init, signal: abort.signal })
  t.equal(response.status, 200)
  let isOver = false
  response.text().then(() => { isOver = true }, () => {})
  return { ended: () => isOver }
}

async function openBoth (
  t: Test,
  app: FastifyInstance,
  url: string,
  headers: Headers
): Promise<Array<{ ended: () => boolean }>> {
  const session = await openSession(app, { credential: headers })
  const { headers: own, payload } = modern('subscriptions/listen', {
    notifications: { toolsListChanged: true }
  })
  return [
    await openStream(t, url, {
      headers: { ...headers, accept: 'text/event-stream', ...session, 'mcp-protocol-version': '2025-11-25' }
    }),
    await openStream(t, url, {
      method: 'POST',
      headers: {
        ...headers,
        ...own,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json'
      },
      body: JSON.stringify(payload)
    })
  ]
}

for (const [what, revokeIt] of [
  ['its token', async (app: FastifyInstance, id: string) => { await revoke(app, { id }) }],
  ['its subject', async (app: FastifyInstance) => { await revoke(app, { subject: 'new' }, 'revoke-subject') }]
] as const) {
  t.test(`revoking ${what} ends the caller's open streams, and no others`, async t => {
    const app = await service(t, { sessions: {} })
    const url = await listening(app)
    const [victim, bystander] = [await mint(app), await mint(app, { userId: 'other' })]
    const theirs = await openBoth(t, app, url, victim.headers)
    const others = await openBoth(t, app, url, bystander.headers)
    await revokeIt(app, victim.id)
    await until(() => theirs.every(({ ended }) => ended()))
    t.notOk(others.some(({ ended }) => ended()))
  })
}

t.test('a revocation by another process ends open streams', async t => {
  const directory = await statePath(t)
  const app = await service(t, { sessions: {}, env: { STATE_DIR: directory } })
  const url = await listening(app)
  const { id, headers } = await mint(app)
  const streams = await openBoth(t, app, url, headers)
  const cli = await openState(t, { directory })
  await cli.revokeToken(id, { principal: 'cli' })
  await until(() => streams.every(({ ended }) => ended()))
  t.pass()
})

for (const [what, seconds, quietMs, end] of [
  ['ends with its token', 2, 0, async () => {}],
  [
    'sends nothing after its token is revoked',
    3600,
    100,
    async (app: FastifyInstance) => {
      await revoke(app, { subject: 'guest' }, 'revoke-subject')
    }
  ]
] as const) {
  t.test(`a call that sends messages while it works ${what}`, async t => {
    const endsWhileItWorks = async (factor: number): Promise<boolean> => {
      let begun = (_isSo: boolean): void => {}
      const running = new Promise<boolean>(resolve => {
        begun = resolve
      })
      const talk = defineTool({
        name: 'talk',
        handler: async (_args, { progress, signal }) => {
          begun(true)
          await sleep(quietMs)
          await progress(1)
          if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve))
          return 'never heard'
        }
      })
      const app = await service(t, { tools: [talk] })
      const answer = post(
        app,
        rpc('tools/call', { name: 'talk', _meta: { progressToken: 1 } }),
        bearer(generateToken('guest', 'user', `${seconds * factor}s`, { secret }))
      )
      const isRunning = await Promise.race([running, answer.then(() => false)])
      await end(app)
      const { text } = await answer
      t.match(text, 'MCP_ERR_UNAUTHENTICATED')
      t.notMatch(text, 'never heard')
      return isRunning
    }
    t.ok(await succeeds(endsWhileItWorks))
  })
}
