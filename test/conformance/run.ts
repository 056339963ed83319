/** Runs both lines of the official suite against the fixture, with authentication on. `--write` keeps the results in docs/conformance.md. */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { authorizationComplaints } from './authorization.js'
import { buildFixture } from './fixture.js'
import { legsOf } from './legs.js'
import { openPassThrough } from './pass-through.js'
import { openSuites } from './suite.js'
import { type Result, complaints, isWritten, render, write } from './table.js'
import { judge } from './verdicts.js'

/** A run takes some seconds. */
const runLimitMs = 3 * 60_000

const interruption = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => { interruption.abort(name) })

try {
  const results = await runAll()
  const { next } = await openSuites(interruption.signal, runLimitMs)
  await report(results, await authorizationComplaints(next))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

async function runAll (): Promise<readonly Result[]> {
  const suites = await openSuites(interruption.signal, runLimitMs)
  const apiKey = randomBytes(24).toString('hex')
  const app = await buildFixture({ API_KEYS: apiKey, MCP_SESSIONS: 'on' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const pass = await openPassThrough(new URL(`http://127.0.0.1:${port}/mcp`), apiKey)
  try {
    const results: Result[] = []
    for (const leg of await legsOf(suites)) results.push({ leg, verdicts: await judge(leg, pass.url) })
    return results
  } finally {
    await pass.close()
    await app.close()
  }
}

async function report (results: readonly Result[], others: readonly string[]): Promise<void> {
  const text = render(results)
  const wrong = [...complaints(results), ...others]
  process.stdout.write(`${text}\n\n`)
  if (process.argv.includes('--write')) await write(text)
  else if (!await isWritten(text)) wrong.push('docs/conformance.md says something else: npm run conformance -- --write')
  process.stdout.write(wrong.length === 0 ? 'Conformant: every check passes, without warnings.\n' : `${wrong.join('\n')}\n`)
  if (wrong.length > 0) process.exitCode = 1
}
