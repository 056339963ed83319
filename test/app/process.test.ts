/** The end of the server process: running calls are answered, and nothing delays the exit. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { freePort } from '../support/ports.js'
import { beginCall, listTools, root, sound, start, viaTsx, type Running } from '../support/process.js'
import { until } from '../support/until.js'

function startServer (t: Test, env: Record<string, string> = {}): Running {
  return start(t, process.execPath, [...viaTsx, 'start'], { cwd: t.testdir({}), env: { ...sound, ...env } })
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`a running call at ${signal} is answered, and the exit code is 0`, async t => {
    const server = startServer(t)
    const call = await beginCall(t, await server.url)
    server.child.kill(signal)
    await until(() => server.stdout().includes('"stopping"'))
    call.finish()
    t.match(await call.answer, /HTTP\/1\.1 200 OK[^]*"whoami"/)
    t.same(await server.ended, { code: 0, signal: null })
  })
}

t.test('a stopping server accepts no new connection', async t => {
  const server = startServer(t, { HOST: '127.0.0.1' })
  const url = await server.url
  const call = await beginCall(t, url)
  server.child.kill('SIGTERM')
  await until(() => server.stdout().includes('"stopping"'))
  // The log line is written just before the listener closes.
  await t.rejects(async () => { while (server.child.exitCode === null) await listTools(url) })
  t.equal(server.child.exitCode, null)
  call.finish()
  t.match(await call.answer, /200 OK/)
})

t.test('a second signal ends the process at once', async t => {
  const server = startServer(t)
  await beginCall(t, await server.url)
  server.child.kill('SIGTERM')
  await until(() => server.stdout().includes('"stopping"'))
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 143, signal: null })
})

// For one Ctrl-C, the terminal sends SIGINT, and npm sends it again.
t.test('a second SIGINT of npm does not cut off a running call', async t => {
  for (let tries = 1; ; tries++) {
    const server = startServer(t, { npm_lifecycle_event: 'start' })
    const call = await beginCall(t, await server.url)
    server.child.kill('SIGINT')
    await until(() => server.stdout().includes('"stopping"'))
    server.child.kill('SIGINT')
    call.finish()
    const answer = await call.answer.catch(() => '')
    const { code } = await server.ended
    // On a stalled machine, the second one may come too late to be of the same key press.
    if (code === 130 && tries < 5) continue
    t.match(answer, /HTTP\/1\.1 200 OK[^]*"whoami"/)
    t.equal(code, 0)
    return
  }
})

/** A small app with the same shutdown, because no real tool hangs or throws on demand. */
function startFixture (t: Test, graceMs: number): Running {
  const source = `
    import { once } from 'node:events'
    import http from 'node:http'
    import Fastify from ${JSON.stringify(import.meta.resolve('fastify'))}
    import { drainOnEnd } from ${JSON.stringify(`${root}src/server/drain.ts`)}
    const app = Fastify({ logger: true })
    app.get('/hang', (request, reply) => { reply.raw.writeHead(200).write('open'); reply.hijack() })
    app.get('/throw', async () => { setImmediate(() => { throw new Error('nobody catches this') }); await new Promise(() => {}) })
    app.get('/reject', async () => { Promise.reject(new Error('nobody catches this')); await new Promise(resolve => setTimeout(resolve, 100)); return 'answered' })
    app.get('/slow', async () => { process.stderr.write('slow\\n'); await new Promise(resolve => process.once('SIGTERM', () => setTimeout(resolve, 200))); return 'answered' })
    drainOnEnd(app, { graceMs: ${graceMs} })
    await app.ready()
    // Like Fastify for the second address of localhost: closed with the first one, without waiting.
    const second = http.createServer(app.routing).listen(0, '127.0.0.1')
    app.server.on('close', () => second.close())
    await once(second, 'listening')
    process.stdout.write('second ' + second.address().port + '\\n')
    process.stderr.write('Ready: ' + await app.listen({ host: '127.0.0.1', port: 0 }) + '/mcp\\n')
  `
  const cwd = t.testdir({ 'fixture.mjs': source })
  return start(t, process.execPath, ['--import', import.meta.resolve('tsx'), join(cwd, 'fixture.mjs')], { cwd })
}

t.test('an open stream does not delay the exit beyond the grace period', async t => {
  const server = startFixture(t, 300)
  const response = await fetch(`${await server.url}/hang`)
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 0, signal: null })
  await t.rejects(response.text())
})

t.test('a call over the second address of localhost is answered as well', async t => {
  const server = startFixture(t, 120_000)
  await server.url
  const [, port] = /^second (\d+)$/m.exec(server.stdout()) ?? []
  const answer = fetch(`http://127.0.0.1:${port}/slow`).then(async response => await response.text())
  await until(() => server.stderr().includes('slow'))
  server.child.kill('SIGTERM')
  t.equal(await answer, 'answered')
  t.same(await server.ended, { code: 0, signal: null })
})

for (const [path, event] of [['/throw', 'uncaughtException'], ['/reject', 'unhandledRejection']] as const) {
  t.test(`${event} is logged as fatal and exits with 1`, async t => {
    // The request that throws is never answered, so a short grace period is enough.
    const server = startFixture(t, path === '/reject' ? 120_000 : 500)
    const answer = fetch(`${await server.url}${path}`).then(async response => await response.text(), () => 'cut')
    t.same(await server.ended, { code: 1, signal: null })
    t.match(server.stdout(), new RegExp(`"level":60.*nobody catches this.*"msg":"${event}"`))
    t.equal(await answer, path === '/reject' ? 'answered' : 'cut')
  })
}

const withoutFull = existsSync('/dev/full') ? false : 'this system has no /dev/full'

t.test('a log that cannot be written loses lines, but no answers', { skip: withoutFull }, async t => {
  const server = start(t, 'sh', ['-c', 'exec "$0" "$@" > /dev/full', process.execPath, ...viaTsx, 'start'], {
    cwd: t.testdir({}),
    env: sound
  })
  const url = await server.url
  for (let i = 0; i < 20; i++) t.equal((await listTools(url)).status, 200)
  t.equal(server.stderr().match(/^The log cannot be written \(ENOSPC\); lines are lost until it can\.$/gm)?.length, 1)
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 0, signal: null })
})

t.test('a standard error that cannot be written loses no answers', { skip: withoutFull }, async t => {
  const port = await freePort()
  const server = start(
    t,
    'sh',
    ['-c', 'exec "$0" "$@" > /dev/full 2>&1', process.execPath, ...viaTsx, 'start'],
    { cwd: t.testdir({}), env: { ...sound, PORT: String(port), HOST: '127.0.0.1' } }
  )
  const isUp = async (): Promise<boolean> =>
    await listTools(`http://127.0.0.1:${port}`).then(
      ({ status }) => status === 200,
      () => false
    )
  await until(isUp)
  server.child.kill('SIGTERM')
  t.same(await server.ended, { code: 0, signal: null })
})

t.test('a stopped log reader delays neither answers nor the exit', async t => {
  const server = startServer(t, { RATE_LIMIT_MAX: '100000', AUDIT_STDOUT: 'on' })
  const url = await server.url
  server.child.stdout?.pause()
  // Twice the capacity of a pipe or socket.
  for (let round = 0; round < 30; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await listTools(url)))
    for (const answer of answers) t.match((await answer.text()), '"tools"')
  }
  t.notMatch(server.stdout(), 'audit-closed')
  server.child.kill('SIGTERM')
  const [code] = await once(server.child, 'exit')
  t.equal(code, 0)
  server.child.stdout?.resume()
})

t.test('a burst of lines in one turn is written completely', async t => {
  const source = `
    import { buildApp } from '${root}src/app.ts'
    const app = await buildApp({ env: process.env })
    for (let i = 0; i < 12_000; i++) app.log.info({ i, text: 'x'.repeat(500) }, 'burst')
    await app.close()
  `
  const cwd = t.testdir({ 'burst.mjs': source })
  const run = start(t, process.execPath, ['--import', import.meta.resolve('tsx'), join(cwd, 'burst.mjs')], {
    cwd,
    env: sound
  })
  t.same(await run.ended, { code: 0, signal: null })
  t.equal(run.stdout().split('\n').filter(line => line.includes('"burst"')).length, 12_000)
  t.equal(run.stderr(), '')
})
