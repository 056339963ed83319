/** Other MCP servers behind the endpoint: their items are served with our access rules and limits. */
import t from 'tap'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { logSink } from '../support/log-sink.js'
import { adaKey, bobKey, listening, service } from '../support/service.js'
import { until } from '../support/until.js'
import { client, serving, stdio, textOf } from '../support/upstreams.js'

for (const era of ['modern', 'legacy'] as const) {
  t.test(`upstream tools, resources, prompts and completion are served (${era})`, async t => {
    const url = await listening(await serving(t, { memo: stdio() }))
    const ada = await client(t, url, adaKey, { era })
    const { tools } = await ada.listTools()
    t.ok(tools.some(({ name }) => name === 'remember'))
    t.equal(textOf(await ada.callTool({ name: 'remember', arguments: { word: 'a' } })), '["a"]')
    t.match(await ada.callTool({ name: 'remember', arguments: {} }), { isError: true })
    t.match(await ada.readResource({ uri: 'memo://all' }), { contents: [{ text: 'a' }] })
    t.match(await ada.getPrompt({ name: 'greet', arguments: { who: 'Ada' } }), {
      messages: [{ content: { text: 'Greet Ada' } }]
    })
    t.match(
      await ada.complete({
        ref: { type: 'ref/prompt', name: 'greet' },
        argument: { name: 'who', value: '' }
      }),
      { completion: { values: ['Ada', 'Bob'] } }
    )
  })

  t.test(`an upstream question reaches its own caller (${era})`, async t => {
    const url = await listening(await serving(t, { memo: stdio() }))
    const [ada, bob] = [
      await client(t, url, adaKey, { era, colour: 'red' }),
      await client(t, url, bobKey, { era, colour: 'blue' })
    ]
    const [first, second, third] = await Promise.all([
      ada.callTool({ name: 'ask' }),
      bob.callTool({ name: 'ask' }),
      ada.callTool({ name: 'ask' })
    ])
    t.match(textOf(first), 'red')
    t.match(textOf(second), 'blue')
    t.match(textOf(third), 'red')
  })
}

t.test('share: caller separates the state of principals, share: all does not', async t => {
  const url = await listening(await serving(t, { own: stdio(), common: { ...stdio(), share: 'all' } }))
  const [ada, bob] = [await client(t, url, adaKey), await client(t, url, bobKey)]
  await ada.callTool({ name: 'own_remember', arguments: { word: 'ada' } })
  t.equal(textOf(await bob.callTool({ name: 'own_remember', arguments: { word: 'bob' } })), '["bob"]')
  await ada.callTool({ name: 'common_remember', arguments: { word: 'ada' } })
  t.equal(textOf(await bob.callTool({ name: 'common_remember', arguments: { word: 'bob' } })), '["ada","bob"]')
})

t.test('share: all refuses a question while two callers are served', async t => {
  const url = await listening(await serving(t, { common: { ...stdio(), share: 'all' } }))
  const [ada, bob] = [await client(t, url, adaKey, { colour: 'red' }), await client(t, url, bobKey, { colour: 'blue' })]
  const leaving = new AbortController()
  const waiting = ada.callTool({ name: 'wait' }, { signal: leaving.signal }).catch(() => undefined)
  await ada.callTool({ name: 'remember', arguments: { word: 'x' } })
  const asked = await bob.callTool({ name: 'ask' })
  t.match(asked, { isError: true })
  t.notMatch(textOf(asked), 'red')
  leaving.abort()
  await waiting
})

t.test('an upstream process gets four variables and those of its options', async t => {
  const url = await listening(await serving(t, { memo: { ...stdio(), env: { TOKEN: 'its-own' } } }))
  const ada = await client(t, url, adaKey)
  const { pid, ...seen } = JSON.parse(textOf(await ada.callTool({ name: 'environment' }))) as Record<string, unknown>
  t.ok(pid)
  // The test runner adds variables to every process.
  const names = Object.keys(seen).filter(name => !/^(_TAPJS|NODE_OPTIONS)/.test(name))
  t.same(names.filter(name => !['PATH', 'HOME', 'LANG', 'TMPDIR', 'TOKEN'].includes(name)), [])
  t.equal(seen.TOKEN, 'its-own')
})

t.test('a call is answered if its upstream dies, and the next call restarts it', async t => {
  const url = await listening(await serving(t, { memo: stdio() }))
  const ada = await client(t, url, adaKey)
  const died = await ada.callTool({ name: 'die' })
  t.match(died, { isError: true })
  t.match(textOf(died), /stopped during this request.*request [\w-]+/)
  t.equal(textOf(await ada.callTool({ name: 'remember', arguments: { word: 'b' } })), '["b"]')
})

t.test('an upstream error is masked, and a large answer is refused', async t => {
  const log = logSink()
  const app = await service(t, { upstreams: { mcpServers: { memo: stdio() }, maxResultBytes: 50_000 }, logStream: log })
  const ada = await client(t, await listening(app), adaKey)
  const failed = await ada.callTool({ name: 'fail' })
  t.match(failed, { isError: true })
  t.notMatch(JSON.stringify(failed), 'hunter2')
  t.match(textOf(await ada.callTool({ name: 'large' })), 'larger than 50000 bytes')
})

t.test('items with an invalid name or schema are left out and logged', async t => {
  const log = logSink()
  const app = await service(t, { upstreams: { mcpServers: { memo: stdio('bad-items') } }, logStream: log })
  const ada = await client(t, await listening(app), adaKey)
  const names = (await ada.listTools()).tools.map(({ name }) => name)
  t.ok(names.includes('remember'))
  t.notOk(names.includes('bad schema') || names.includes('odd'))
  t.same(
    log
      .lines()
      .filter(({ msg }) => msg === 'an item of an upstream is not served')
      .map(({ item }) => item),
    ['bad schema', 'odd']
  )
})

for (const [what, upstream] of [
  ['a missing command', { command: '/nowhere/to/be-found' }],
  ['a process that exits at once', stdio('exit')],
  ['a process that never answers', { ...stdio('silent'), startTimeoutMs: 300 }]
] as Array<[string, UpstreamOptions]>) {
  t.test(`${what} makes the upstream unavailable, and the start succeeds`, async t => {
    const app = await serving(t, { gone: upstream, memo: { ...stdio(), prefix: '' } })
    const ada = await client(t, await listening(app), adaKey)
    t.ok((await ada.listTools()).tools.some(({ name }) => name === 'remember'))
    t.match((await app.inject('/ready')).json(), { status: 'degraded', reasons: ['upstream'] })
  })
}

t.test('garbage before the handshake does not stop an upstream', async t => {
  const ada = await client(t, await listening(await serving(t, { memo: stdio('garbage') })), adaKey)
  t.equal(textOf(await ada.callTool({ name: 'remember', arguments: { word: 'c' } })), '["c"]')
})

t.test('two upstreams with the same tool name stop the start and suggest prefix', async t => {
  const both = { a: { ...stdio(), prefix: '' }, b: { ...stdio(), prefix: '' } }
  await t.rejects(service(t, { upstreams: { mcpServers: both } }), {
    message: /Upstreams "a" and "b" both offer the tool "\w+"; give "b" another `prefix`/
  })
})

t.test('an item that is added later is listed', async t => {
  const ada = await client(t, await listening(await serving(t, { memo: { ...stdio(), share: 'all' } })), adaKey)
  await ada.callTool({ name: 'grow' })
  await until(async () => (await ada.listTools()).tools.some(({ name }) => name === 'grown'))
})

t.test('the endpoint itself can be an HTTP upstream', async t => {
  const behind = await listening(await service(t))
  const front = await serving(t, { far: { url: `${behind}/mcp`, headers: { 'x-api-key': adaKey } } })
  const bob = await client(t, await listening(front), bobKey)
  t.match(
    await bob.callTool({ name: 'far_whoami' }).catch(String),
    /left out|Unknown|unknown/,
    'a single upstream has no prefix'
  )
  t.match(textOf(await bob.callTool({ name: 'whoami' })), 'apikey:')
})
