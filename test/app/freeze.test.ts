/** freeze and thaw: frozen tools and callers are refused with a reason until they are thawed. */
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import { adaKey, bobKey, callOf, listening, modern, post, rpc, service, withKey } from '../support/service.js'
import { statePath } from '../support/state.js'
import { say, type Said } from '../support/terminal.js'
import { until } from '../support/until.js'

const withBobsKey = { 'x-api-key': bobKey }
const search = defineTool({ name: 'search', handler: () => 'found' })
const off = /^Switched off by the operator\. code: MCP_ERR_FROZEN, requestId: /

interface Served {
  readonly app: FastifyInstance
  readonly freeze: (...args: string[]) => Promise<void>
  readonly thaw: (...args: string[]) => Promise<void>
}

async function serve (t: Test, tools = [search]): Promise<Served> {
  const STATE_DIR = await statePath(t)
  const app = await service(t, {
    env: { STATE_DIR },
    tools,
    resources: [defineResource({ name: 'note', uri: 'notes://one', read: () => 'read' })],
    prompts: [definePrompt({ name: 'ask', handler: () => 'asked' })]
  })
  await app.ready()
  const command = (name: string) => async (...args: string[]): Promise<void> => {
    const { code, stderr } = await say([name, ...args], t.testdirName, { STATE_DIR })
    if (code !== 0) throw new Error(stderr)
  }
  return { app, freeze: command('freeze'), thaw: command('thaw') }
}

async function textOf (app: FastifyInstance, name: string, headers = withKey): Promise<string> {
  return (await post(app, callOf(name), headers)).body.result.content[0].text
}

t.test('a frozen tool is listed but refuses calls until thawed, in both eras', async t => {
  const { app, freeze, thaw } = await serve(t)
  await freeze('--tool', 'search')
  await until(async () => await textOf(app, 'search') !== 'found')
  const { status, body } = await post(app, callOf('search'))
  t.match({ status, body }, { status: 200, body: { result: { isError: true, content: [{ text: off }] } } })
  const { headers, payload } = modern('tools/call', { name: 'search', arguments: {} })
  t.match((await post(app, payload, { ...withKey, ...headers })).body.result, {
    isError: true,
    content: [{ text: off }]
  })
  t.match((await post(app, rpc('tools/list'))).body.result.tools, [{ name: 'search' }, { name: 'whoami' }])
  t.same((await post(app, callOf('whoami'))).body.result.structuredContent.frozen, ['tool:search'])
  t.same((await app.inject('/ready')).json(), { status: 'ready', reasons: [] })
  await thaw('--tool', 'search')
  await until(async () => await textOf(app, 'search') === 'found')
  t.notOk('frozen' in (await post(app, callOf('whoami'))).body.result.structuredContent)
})

for (const [what, args, target] of [
  ['a caller', ['--principal'], 'principal:'],
  ['a key', ['--key'], 'key:']
] as const) {
  t.test(`${what} that is frozen can only call whoami, others are unaffected`, async t => {
    const { app, freeze } = await serve(t)
    const { id } = (await post(app, callOf('whoami'))).body.result.structuredContent
    await freeze(...args, id)
    await until(async () => await textOf(app, 'search') !== 'found')
    t.same((await post(app, callOf('whoami'))).body.result.structuredContent.frozen, [
      target + (target === 'key:' ? id.slice(7) : id)
    ])
    for (const [method, params] of [
      ['resources/read', { uri: 'notes://one' }],
      ['prompts/get', { name: 'ask' }]
    ] as const) {
      t.match(
        await post(app, rpc(method, params)),
        {
          status: 200,
          body: { error: { message: 'Switched off by the operator', data: { code: 'MCP_ERR_FROZEN' } } }
        },
        method
      )
      t.match((await post(app, rpc(method, params), withBobsKey)).body, { result: {} })
    }
    t.equal(await textOf(app, 'search', withBobsKey), 'found')
  })
}

t.test('freeze --all leaves whoami, and /ready reports degraded', async t => {
  const { app, freeze, thaw } = await serve(t)
  await freeze('--all')
  await until(async () => await textOf(app, 'search') !== 'found')
  t.match(await textOf(app, 'search', withBobsKey), off)
  t.same((await post(app, callOf('whoami'))).body.result.structuredContent.frozen, ['all'])
  const ready = await app.inject('/ready')
  t.match([ready.statusCode, ready.json()], [200, { status: 'degraded', reasons: ['frozen'] }])
  await thaw('--all')
  await until(async () => (await app.inject('/ready')).json().status === 'ready')
  t.equal(await textOf(app, 'search'), 'found')
})

t.test('freezing a tool ends a streaming call and aborts its signal', async t => {
  let signal: AbortSignal | undefined
  const slow = defineTool({
    name: 'slow',
    input: z.object({}),
    handler: async (_args, context) => {
      signal = context.signal
      await context.progress(1, 2)
      return await new Promise<string>(() => {})
    }
  })
  const { app, freeze } = await serve(t, [slow, search])
  const answer = post(app, rpc('tools/call', { name: 'slow', arguments: {}, _meta: { progressToken: 7 } }))
  await until(() => signal !== undefined)
  await freeze('--tool', 'slow')
  t.match((await answer).body, {
    result: { isError: true, content: [{ text: /^Switched off by the operator\. code: MCP_ERR_FROZEN, / }] }
  })
  t.ok(signal?.aborted)
  t.equal(await textOf(app, 'search'), 'found')
})

t.test('freezing a caller ends its stream and refuses new ones', async t => {
  const { app, freeze } = await serve(t)
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const url = await listening(app)
  const listen = async () =>
    await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'x-api-key': adaKey,
        ...headers
      },
      body: JSON.stringify(payload)
    })
  const open = await listen()
  t.equal(open.status, 200)
  const over = open.text()
  await freeze('--all')
  await over
  t.match(await (await listen()).text(), 'MCP_ERR_FROZEN')
})

t.test('a freeze survives a restart', async t => {
  const STATE_DIR = await statePath(t)
  const first = await service(t, { env: { STATE_DIR } })
  await first.ready()
  t.match(
    await say(['freeze', '--tool', 'whoami', '--principal', 'user:ada'], t.testdirName, { STATE_DIR }),
    {
      code: 0,
      stdout: /^tool:whoami is switched off\.\nprincipal:user:ada is switched off\.\nSwitched off: /
    }
  )
  await first.close()
  t.match(await say(['freeze', '--list', '--json'], t.testdirName, { STATE_DIR }), {
    code: 0,
    stdout: /"tool:whoami",\s+"principal:user:ada"|"principal:user:ada",\s+"tool:whoami"/
  })
})

t.test('freeze and thaw take several targets of one kind', async t => {
  const STATE_DIR = await statePath(t)
  await (await service(t, { env: { STATE_DIR } })).ready()
  const run = async (...args: string[]): Promise<string> => (await say(args, t.testdirName, { STATE_DIR })).stdout
  const others = ['--key', 'k3vd81qmx0aa', '--principal', 'user:ada']
  const frozen = await run('freeze', '--tool', 'a', '--tool', 'b', ...others, '--tool', 'a')
  t.match(frozen, /Switched off: tool:a, tool:b, principal:user:ada, key:k3vd81qmx0aa$/)
  t.match(await run('thaw', '--tool', 'b', '--tool', 'a'), /Switched off: principal:user:ada, key:k3vd81qmx0aa$/)
})

t.test('freeze refuses an empty target, a credential and an invalid target', async t => {
  const STATE_DIR = await statePath(t)
  await (await service(t, { env: { STATE_DIR } })).ready()
  for (const [args, message] of [
    [[], /^Name what to freeze: --all, --tool, --principal or --key\./],
    [['--key', `mcp_${'k'.repeat(12)}_${'A'.repeat(32)}_abcdef`], /^Nothing was changed: an argument is a credential/],
    [['--tool', ''], /^Nothing was changed: an argument is empty/],
    [['--tool', 'send mail'], /^Nothing was changed: the name of a tool must be 1 to 128 of/],
    [['--all', '--list'], /^Nothing was changed: --list only lists/]
  ] as const) {
    const { code, stderr } = await say(['freeze', ...args], t.testdirName, { STATE_DIR })
    t.equal(code, 1)
    t.match(stderr, message)
  }
  t.match((await say(['freeze', '--list'], t.testdirName, { STATE_DIR })).stdout, 'Nothing is switched off.')
})

t.test('freeze warns of names that may have no effect', async t => {
  const STATE_DIR = await statePath(t)
  await (await service(t, { env: { STATE_DIR } })).ready()
  const run = async (...args: string[]): Promise<Said> => await say(args, t.testdirName, { STATE_DIR })
  t.match(await run('freeze', '--principal', 'ada', '--key', 'laptop', '--tool', 'whoami'), {
    code: 0,
    stdout: /^Switched off: tool:whoami, principal:ada, key:laptop$/m,
    stderr: [
      'Note: the built-in whoami cannot be switched off.',
      'Note: ada is not an id of a caller, unless your app chose it. whoami and the log show the ids.',
      'Note: laptop is not an id of a key, unless your app chose it. "keys list" shows the ids.'
    ].join('\n')
  })
  t.match(await run('thaw', '--principal', 'ada', '--key', 'laptop', '--tool', 'whoami'), {
    stdout: /^Nothing is switched off\.$/m,
    stderr: ''
  })
  t.match(await run('freeze', '--principal', 'jwt:ada', '--key', 'k3vd81qmx0aa', '--tool', 'search'), { stderr: '' })
})
