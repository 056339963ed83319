/** Faults of an upstream: each gives a bounded, constant message, and a log line with advice. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@modelcontextprotocol/client'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.js'
import type { UpstreamOptions } from '../../src/upstreams/options.js'
import { type LogSink, logSink } from '../support/log-sink.js'
import { adaKey, listening } from '../support/service.js'
import { until } from '../support/until.js'
import { secretOfTests } from '../support/witness.js'
import { client, hostile, serving, textOf } from '../support/upstreams.js'

const token = secretOfTests('token-of-the-upstream-000003')

async function behind (
  t: Test,
  upstream: UpstreamOptions,
  options: AppOptions = {}
): Promise<{ ada: Client, log: LogSink }> {
  const log = logSink()
  const app = await serving(t, { one: upstream }, {
    logStream: log,
    ...options,
    env: { REQUEST_TIMEOUT_MS: '120000', ...options.env }
  })
  return { ada: await client(t, await listening(app), adaKey), log }
}

function warnings (log: LogSink): string {
  return log.lines().filter(({ level }) => level === 40).map(line => JSON.stringify(line)).join('\n')
}

/** The name of the tool, the text for the caller, and the log line. */
const faults: Array<[string, RegExp, RegExp | undefined]> = [
  ['wrong-id', /time|long/i, /invalid message/],
  ['foreign-id', /time|long/i, /invalid message/],
  ['invalid-json', /time|long/i, /standard output.*advice/],
  ['huge-line', /larger than 8388608 bytes/, /too long.*UPSTREAM_MAX_RESULT/],
  ['huge-line-first', /larger than 8388608 bytes/, /too long.*UPSTREAM_MAX_RESULT/],
  ['never', /time|long/i, undefined],
  ['die', /stopped during this request; try again \(request/, /restarted at the next call/],
  ['exit-0', /stopped during this request; try again \(request/, /restarted at the next call/],
  ['half', /stopped during this request; try again \(request/, /restarted at the next call/],
  ['garbage-flood', /stopped during this request; try again \(request/, /standard error, not to standard output/],
  ['not-a-result', /cannot be read \(request/, /a request to an upstream failed/],
  ['result-and-error', /cannot be read \(request/, /a request to an upstream failed/],
  ['null-error', /cannot be read \(request/, /a request to an upstream failed/],
  ['text-code', /cannot be read \(request/, /a request to an upstream failed/],
  ['deep', /cannot be read \(request/, /nested too deeply/],
  ['bad-content', /cannot be read|went wrong|internal/i, undefined],
  ['error-404', /refused the request with code 404/, /a request to an upstream failed/],
  ['secret-error', /refused the request with code -32000 \(request/, /a request to an upstream failed/]
]
const unanswered = new Set(['wrong-id', 'foreign-id', 'invalid-json', 'never'])
for (const [fault, says, logs] of faults) {
  t.test(`an upstream that answers with ${fault} fails with a constant message`, async t => {
    const soon = { toolPolicies: { tools: { [fault]: { deadlineMs: 2000 } } } }
    const { ada, log } = await behind(t, { ...hostile(), env: { TOKEN: token } }, unanswered.has(fault) ? soon : {})
    // Waits until the process has started, which is not part of the test.
    const echo = async (): Promise<boolean> =>
      textOf(await ada.callTool({ name: 'echo', arguments: { a: 1 } })) === '{"a":1}'
    await until(echo)
    const failed = await ada.callTool({ name: fault })
    t.match(failed, { isError: true })
    t.match(textOf(failed), says)
    t.notMatch(JSON.stringify(failed), /hunter2|\/etc\/secret|token-of/)
    if (logs !== undefined) await until(() => logs.test(warnings(log)))
    await until(echo)
    t.notMatch(log.text(), /token-of/)
  })
}

t.test('an upstream error with code 404 does not repeat the call', async t => {
  const { ada } = await behind(t, hostile())
  await ada.callTool({ name: 'error-404' })
  t.equal(textOf(await ada.callTool({ name: 'count' })), '2')
})

t.test('a flood of upstream log messages does not block an answer', async t => {
  const { ada } = await behind(t, hostile())
  t.equal(textOf(await ada.callTool({ name: 'log-flood' })), 'done')
})

t.test("a flood on an upstream's stderr is limited in the log", async t => {
  const { ada, log } = await behind(t, hostile('floods-stderr'))
  t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}')
  const said = log.lines().filter(({ msg }) => msg === 'upstream output').length
  t.ok(said > 0 && said <= 400, `${said} lines`)
  t.match(warnings(log), /writes too much/)
})

t.test("a configured secret on an upstream's stderr is redacted in the log", async t => {
  const { log } = await behind(t, { ...hostile('tells-secret'), env: { TOKEN: token } })
  await until(() => log.text().includes('token is [redacted]'))
  t.notMatch(log.text(), 'token-of')
})

for (const [what, upstream, logs] of [
  ['ends at once', hostile('crash'), /ended with code 3.*advice/],
  ['hangs at initialize', { ...hostile('hangs'), startTimeoutMs: 400 }, /in time.*startTimeoutMs/],
  ['is not a command', { command: 'no-such-command-of-ours' }, /not found.*PATH/],
  ['has a missing directory', { ...hostile(), cwd: '/no/such/directory' }, /ENOENT.*cwd/],
  ['never ends its list', hostile('endless'), /did not end tools\/list after 200 pages/]
] as Array<[string, UpstreamOptions, RegExp]>) {
  t.test(`an upstream that ${what} is unavailable, with a reason in the log`, async t => {
    const log = logSink()
    const app = await serving(t, { one: upstream }, { logStream: log })
    t.match((await app.inject('/ready')).json(), { status: 'degraded', reasons: ['upstream'] })
    const ada = await client(t, await listening(app), adaKey)
    t.notOk((await ada.listTools()).tools.some(({ name }) => name === 'echo'))
    t.match(warnings(log), logs)
  })
}

t.test('an upstream that does not answer within startTimeoutMs is not started twice', async t => {
  const log = logSink()
  await serving(t, { one: { ...hostile('hangs', 'tells-secret'), startTimeoutMs: 2000 } }, { logStream: log })
  const starts = log.lines().filter(({ msg }) => msg === 'upstream output').length
  t.ok(starts <= 1, `${starts} starts`)
})

t.test('a required upstream that is unavailable makes the server not ready', async t => {
  const app = await serving(t, { one: { ...hostile('crash'), required: true } })
  t.match((await app.inject('/ready')).json(), { status: 'not ready' })
})

t.test('an upstream that exits at a request before initialize is served', async t => {
  const { ada } = await behind(t, hostile('ends-at-probe'))
  t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}')
})

t.test('upstream tools with invalid or repeated names are left out', async t => {
  const { ada, log } = await behind(t, hostile('odd-names'))
  const names = (await ada.listTools()).tools.map(({ name }) => name)
  t.equal(names.filter(name => name === 'echo').length, 1)
  t.notOk(names.some(name => name.includes('\u001B') || name === '' || name.length > 128 || name.includes(' ')))
  if (names.includes('constructor')) t.equal(textOf(await ada.callTool({ name: 'constructor' })), 'constructor')
  t.notMatch(log.text(), '\u001B')
  t.match(await ada.getPrompt({ name: 'odd', arguments: { constructor: 'x' } }), {
    messages: [{ content: { text: '{"constructor":"x"}' } }]
  })
  const odd = JSON.parse('{"__proto__":"y"}') as Record<string, string>
  await t.rejects(ada.getPrompt({ name: 'odd', arguments: odd }), /MCP_ERR_MALFORMED_BODY/)
})

t.test('an upstream tool with an expensive schema is left out and logged', async t => {
  const { ada, log } = await behind(t, hostile('slow-patterns'))
  const names = (await ada.listTools()).tools.map(({ name }) => name)
  const isLeftOut = ({ msg }: { msg?: unknown }): boolean => msg === 'an item of an upstream is not served'
  const leftOut = log.lines().filter(isLeftOut).map(({ item }) => item)
  for (const name of ['pattern_0', 'pattern_1', 'pattern_2', 'pattern-out', 'elsewhere']) {
    t.ok(leftOut.includes(name), name)
    t.notOk(names.includes(name), name)
  }
  t.ok(names.includes('pattern_4') && names.includes('echo'))
  t.match(await ada.callTool({ name: 'pattern_4', arguments: { text: '1' } }), { isError: true })
})

t.test('only the first 1,000 of 5,000 upstream tools are served, with a log line', async t => {
  const { ada, log } = await behind(t, hostile('many'))
  t.equal((await ada.listTools()).tools.filter(({ name }) => name.startsWith('tool_')).length, 1000)
  t.match(warnings(log), /more than 1000 items/)
})

t.test('upstream progress reaches the caller', async t => {
  const { ada } = await behind(t, hostile())
  const seen: number[] = []
  // The call continues until the second message, because clients may drop progress that arrives with the
  // answer.
  await new Promise<void>((resolve, reject) => {
    ada.callTool({ name: 'progress' }, {
      onprogress: ({ progress }) => {
        seen.push(progress)
        if (progress === 3) ada.callTool({ name: 'echo' }).catch(reject)
      }
    }).then(() => { resolve() }, reject)
  })
  t.same(seen, [1, 2, 3])
})

t.test('a caller that disconnects cancels the upstream call', async t => {
  const { ada } = await behind(t, hostile())
  const controller = new AbortController()
  const call = ada.callTool({ name: 'never' }, { signal: controller.signal })
  await sleep(100)
  controller.abort()
  await t.rejects(call)
  t.equal(textOf(await ada.callTool({ name: 'echo' })), '{}')
})
