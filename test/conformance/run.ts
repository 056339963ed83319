/**
 * Runs both release lines of the official suite against the fixture, with authentication. `--write` writes
 * the results to docs/conformance.md. `--fleet`: against two instances with one Redis that get the requests
 * in turn. `--behind`: with the fixture as an upstream behind the proxy.
 */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { redisServer } from '../support/redis.js'
import { authorizationComplaints } from './authorization.js'
import { buildApp } from '../../src/index.js'
import { buildFixture, wideLimits } from './fixture.js'
import { behindProxy, type ExpectedFailure } from './behind-proxy.js'
import { legsOf } from './legs.js'
import { openPassThrough } from './pass-through.js'
import { openSuites } from './suite.js'
import { type Result, complaints, isWritten, render, write } from './table.js'
import { judge } from './verdicts.js'

/** A run takes a few seconds. */
const runLimitMs = 3 * 60_000

const interruption = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => { interruption.abort(name) })

try {
  const results = await runAll()
  if (process.argv.includes('--behind')) {
    reportBehind(results)
  } else {
    const { next } = await openSuites(interruption.signal, runLimitMs)
    await report(results, await authorizationComplaints(next))
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function runAll (): Promise<readonly Result[]> {
  const suites = await openSuites(interruption.signal, runLimitMs)
  const apiKey = randomBytes(24).toString('hex')
  const ends: Array<() => unknown> = []
  const env = { API_KEYS: apiKey, MCP_SESSIONS: 'on' }
  try {
    const urls: URL[] = []
    if (process.argv.includes('--fleet')) {
      const redis = await redisServer({ teardown: end => { ends.push(end) } })
      const shared = {
        ...env,
        REDIS_URL: redis.url,
        REQUEST_STATE_KEY: randomBytes(32).toString('hex'),
        DRAIN_DELAY_MS: '0'
      }
      for (let n = 0; n < 2; n++) urls.push(await openFixture(shared, ends))
    } else {
      const fixture = await openFixture(env, ends)
      urls.push(process.argv.includes('--behind') ? await openProxy(fixture, env, ends) : fixture)
    }
    const [url, ...others] = urls
    if (url === undefined) throw new Error('no instance')
    const pass = await openPassThrough(url, apiKey, others)
    ends.push(pass.close)
    const results: Result[] = []
    for (const leg of await legsOf(suites)) results.push({ leg, verdicts: await judge(leg, pass.url) })
    return results
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function openFixture (env: Readonly<Record<string, string>>, ends: Array<() => unknown>): Promise<URL> {
  const app = await buildFixture(env)
  ends.push(async () => { await app.close() })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return new URL(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`)
}

/** Prints the table, and the checks that fail or pass unexpectedly. */
function reportBehind (results: readonly Result[]): void {
  process.stdout.write(`${render(results)}\n\n`)
  const failed = complaints(results)
  const expectedBy = (text: string): ExpectedFailure | undefined =>
    behindProxy.find(({ scenario, check }) => text.includes(`: ${scenario}: `) && text.includes(` ${check} `))
  for (const text of failed) {
    const expected = expectedBy(text)
    if (expected !== undefined) process.stdout.write(`${text}\n  Expected: ${expected.reason}.\n`)
  }
  const met = new Set(failed.map(expectedBy))
  const wrong = [
    ...failed.filter(text => expectedBy(text) === undefined),
    ...behindProxy
      .filter(expected => !met.has(expected))
      .map(({ scenario, check }) => `${scenario}: ${check} passes: take it off the list in behind-proxy.ts`)
  ]
  process.stdout.write(wrong.length === 0 ? '\nAll other checks pass.\n' : `\n${wrong.join('\n')}\n`)
  if (wrong.length > 0) process.exitCode = 1
}

/** The endpoint with the fixture as its upstream, and a session for each caller. */
async function openProxy (url: URL, env: Readonly<Record<string, string>>, ends: Array<() => unknown>): Promise<URL> {
  const headers = { 'x-api-key': env.API_KEYS ?? '' }
  const app = await buildApp({
    env: { ...wideLimits, LOG_LEVEL: 'warn', ...env },
    info: { name: 'conformance-proxy', version: '1.0.0' },
    upstreams: { mcpServers: { fixture: { url: url.href, headers, share: 'caller', roots: 'caller' } } }
  })
  ends.push(async () => { await app.close() })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return new URL(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`)
}

async function report (results: readonly Result[], others: readonly string[]): Promise<void> {
  const text = render(results)
  const wrong = [...complaints(results), ...others]
  process.stdout.write(`${text}\n\n`)
  if (process.argv.includes('--write')) await write(text)
  else if (!await isWritten(text)) wrong.push('docs/conformance.md is outdated: npm run conformance -- --write')
  process.stdout.write(
    wrong.length === 0 ? 'Conformant: every check passes, without warnings.\n' : `${wrong.join('\n')}\n`
  )
  if (wrong.length > 0) process.exitCode = 1
}
