/** The audit file after the server process was killed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listTools, type Running, sound, start, viaTsx } from '../support/process.js'
import { say } from '../support/terminal.js'
import { until } from '../support/until.js'
import { secretOfTests } from '../support/witness.js'

const AUDIT_KEY = secretOfTests('a-key-of-the-audit-of-a-process-0001')
const env = { ...sound, AUDIT_FILE: 'audit.jsonl', AUDIT_KEY, RATE_LIMIT_MAX: '100000' }
const serving = [process.execPath, ...viaTsx, 'start']

/** `limit` bounds the size of each file of the process, in KiB, so that a line remains incomplete. */
function serve (t: Test, cwd: string, limit?: number): Running {
  if (limit === undefined) return start(t, process.execPath, [...viaTsx, 'start'], { cwd, env })
  const script = `ulimit -f ${limit}; exec "$@"`
  return start(t, 'bash', ['-c', script, 'bash', ...serving], { cwd, env: { ...env, TSX_DISABLE_CACHE: '1' } })
}

/** Sends calls until the server is gone. */
async function callUntilGone (url: string): Promise<void> {
  for (;;) {
    const calls = Array.from({ length: 8 }, async () => await listTools(url).catch(() => undefined))
    const responses = await Promise.all(calls)
    if (responses.includes(undefined)) return
    await Promise.all(responses.map(async response => await response?.text().catch(() => {})))
  }
}

t.test('a killed server leaves a valid audit chain that the next one continues', async t => {
  const cwd = t.testdir({})
  const verify = async (): Promise<string> => {
    const { code, stdout } = await say(['audit', 'verify'], cwd, env)
    t.equal(code, 0, stdout)
    return stdout
  }
  for (const chains of [1, 2]) {
    const server = serve(t, cwd)
    const url = await server.url
    const gone = callUntilGone(url)
    const had = readFileSync(join(cwd, 'audit.jsonl')).length
    await until(() => readFileSync(join(cwd, 'audit.jsonl')).length > had + 20_000)
    server.child.kill('SIGKILL')
    await gone
    await server.ended
    const stdout = await verify()
    t.match(stdout, new RegExp(` in ${chains} chains?\\.`))
    t.equal(stdout.match(/was killed/g)?.length, chains)
  }
})

t.test('audit verify reports a line that a killed process left incomplete', async t => {
  const cwd = t.testdir({})
  const file = join(cwd, 'audit.jsonl')
  const server = serve(t, cwd, 4)
  const gone = callUntilGone(await server.url)
  await until(() => readFileSync(file).length === 4096)
  server.child.kill('SIGKILL')
  await gone
  await server.ended
  t.equal(readFileSync(file).length, 4096)
  t.match(await say(['audit', 'verify'], cwd, env), { code: 1, stdout: /cut: the line is cut off/ })
  const next = serve(t, cwd)
  await (await listTools(await next.url)).text()
  next.child.kill('SIGTERM')
  t.match(await next.ended, { code: 0 })
  t.match(await say(['audit', 'verify'], cwd, env), {
    code: 0,
    stdout: /^OK: \d+ records in 2 chains\.\nNote: .*: a process ended while it wrote this line, as the next one says\.\nNote: /
  })
})
