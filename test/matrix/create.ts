/** Tests `npm create fastify-mcp-auth` from packed tarballs, up to a call of the created server. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../support/ports.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const startWithinMs = 60_000

export const createTemplates = Object.fromEntries(
  ['service', 'embed', 'proxy'].map(template => [`create-${template}`, () => within(dir => tryTemplate(dir, template))])
)

async function within (work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'create-'))
  try {
    await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function tryTemplate (directory: string, template: string): Promise<void> {
  const [ours, create] = [await packed(root, directory), await packed(join(root, 'create'), directory)]
  const npm = async (at: string, ...args: string[]): Promise<string> => (await run('npm', args, { cwd: at })).stdout
  await npm(directory, 'init', '--yes')
  await npm(directory, 'install', '--no-audit', '--no-fund', create)
  const bin = join(directory, 'node_modules/.bin/create-fastify-mcp-auth')
  const args = ['my-server', '--yes', '--template', template, '--package', ours]
  const { stdout } = await run(bin, args, { cwd: directory })
  const project = join(directory, 'my-server')
  assert.equal(statSync(join(project, '.env')).mode & 0o777, 0o600)
  const [, key = ''] = /^API_KEYS=(.+)$/m.exec(readFileSync(join(project, '.env'), 'utf8')) ?? []
  const curl = stdout.trimEnd().split('\n').at(-1) ?? ''
  assert.ok(curl.startsWith('curl ') && curl.includes(key), 'the last line is the curl')
  await npm(project, 'test')
  await npm(project, 'run', 'lint')
  await refusesPort(project)
  const token = (await run('npx', ['fastify-mcp-auth', 'token', '--user', 'ada'], { cwd: project })).stdout.trim()
  const port = await freePort()
  const server = spawn('npm', ['start'], {
    cwd: project,
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
    detached: true
  })
  try {
    await called(port, { 'x-api-key': key })
    await called(port, { authorization: `Bearer ${token}` })
    const printed = curl.replace('localhost:3000', `localhost:${port}`)
    assert.match((await run('sh', ['-c', printed])).stdout, /Hello, Ada!/)
    assert.equal((await call(port, {})).status, 401)
  } finally {
    if (server.pid !== undefined) process.kill(-server.pid, 'SIGTERM')
  }
}

/** Checks that an invalid setting is reported in one sentence, without a stack. */
async function refusesPort (project: string): Promise<void> {
  const env = { ...process.env, PORT: 'abc' }
  const failure: unknown = await run('node', ['dist/server.js'], { cwd: project, env }).catch((error: unknown) => error)
  assert.ok(failure instanceof Error && 'stderr' in failure, 'the start fails')
  assert.match(String(failure.stderr), /^PORT is not a whole number; .+\n$/)
}

/** Calls until the server answers. */
async function called (port: number, headers: Record<string, string>): Promise<void> {
  for (const until = Date.now() + startWithinMs; ; await sleep(200)) {
    const answer = await call(port, headers).catch(() => undefined)
    if (answer !== undefined) {
      assert.equal(answer.status, 200)
      assert.match(await answer.text(), /Hello, Ada!/)
      return
    }
    assert.ok(Date.now() < until, 'the server did not start')
  }
}

async function call (port: number, headers: Record<string, string>): Promise<Response> {
  const params = { name: 'greet', arguments: { name: 'Ada' } }
  return await fetch(`http://localhost:${port}/mcp`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  })
}

/** Packs a package. Needs a build in `dist`. */
async function packed (at: string, to: string): Promise<string> {
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', to]
  const { stdout } = await run('npm', args, { cwd: at })
  return join(to, stdout.trim())
}
