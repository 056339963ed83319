/** The npm scripts in a new checkout: they build what they need, and the server runs without a build. */
import { appendFileSync, cpSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { shapeOf } from '../../src/api-keys/format.js'
import { directory } from '../support/keys.js'
import { beginCall, groupLives, key, listTools, root, start, type Running } from '../support/process.js'
import { secret } from '../support/tokens.js'
import { until } from '../support/until.js'

/** Makes a copy, because the tests build and change it. */
function checkOut (t: Test): string {
  const cwd = t.testdir({ '.env': `API_KEYS=${key}\nPORT=0\n` })
  for (const part of ['src', 'plugins', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(root, part), join(cwd, part), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(cwd, 'node_modules'))
  return cwd
}

function npm (t: Test, cwd: string, TMPDIR: string, ...args: string[]): Running {
  return start(t, 'npm', args, { cwd, env: { JWT_SECRET: secret, TMPDIR }, group: true })
}

/**
 * Nothing may be compiled into TMPDIR: in a shared one, another user could create the directory first and
 * replace the code. Excludes the compile cache of npm and the compiler on Node 22 and later.
 */
function filesIn (TMPDIR: string): string[] {
  const files = readdirSync(TMPDIR, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter(path => !path.startsWith(join(TMPDIR, 'node-compile-cache')))
}

t.test('a checkout that was not built', { timeout: 240_000 }, async t => {
  const cwd = checkOut(t)
  const TMPDIR = await directory(t)

  t.test(
    'npm run token and keys print only their result, and run no code of TMPDIR',
    { timeout: 200_000 },
    async t => {
      const token = npm(t, cwd, TMPDIR, 'run', '--silent', 'token', '--', '--user', 'ada')
      t.same(await token.ended, { code: 0, signal: null }, token.stderr())
      t.match(token.stdout(), /^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/)
      const create = npm(t, cwd, TMPDIR, 'run', '--silent', 'keys', '--', 'create', '--name', 'ci')
      t.same(await create.ended, { code: 0, signal: null }, create.stderr())
      t.equal(shapeOf(create.stdout().slice(0, -1)), 'managed')
      t.same(filesIn(TMPDIR), [])
    }
  )

  t.test('npm start answers a running call at SIGTERM and exits with 0', async t => {
    const server = npm(t, cwd, TMPDIR, 'start')
    const call = await beginCall(t, await server.url)
    server.child.kill('SIGTERM')
    await until(() => server.stdout().includes('"stopping"'))
    call.finish()
    t.match(await call.answer, /HTTP\/1\.1 200 OK[^]*"whoami"/)
    t.same(await server.ended, { code: 0, signal: null })
    t.notOk(groupLives(server.child))
  })
})

t.test('a failed build is reported on stderr, and no command runs', async t => {
  const cwd = checkOut(t)
  const TMPDIR = await directory(t)
  writeFileSync(join(cwd, 'tsconfig.build.json'), '{ "files": [] }')
  const token = npm(t, cwd, TMPDIR, 'run', '--silent', 'token', '--', '--user', 'ada')
  t.not((await token.ended).code, 0)
  t.equal(token.stdout(), '')
  t.match(token.stderr(), 'tsconfig.build.json')
})

t.test('npm run dev serves unbuilt code, restarts on changes and leaves no process', async t => {
  const cwd = checkOut(t)
  const TMPDIR = await directory(t)
  const dev = npm(t, cwd, TMPDIR, 'run', 'dev')
  t.equal((await listTools(await dev.url)).status, 200)

  const changed = join(cwd, 'src/server/start.ts')
  const starts = (): number => dev.stderr().match(/^Ready: /gm)?.length ?? 0
  // Writes again, because a change is not seen before the watcher has found the file. Waits in between,
  // because each change ends a starting server.
  for (let writes = 0; starts() < 2 && writes < 5; writes++) {
    appendFileSync(changed, '\n// changed\n')
    for (let waited = 0; starts() < 2 && waited < 40_000; waited += 100) await sleep(100)
  }
  t.ok(starts() >= 2, 'a change restarts the server')

  dev.child.kill('SIGTERM')
  await dev.ended
  await until(() => !groupLives(dev.child))
  t.notOk(groupLives(dev.child))
  t.same(filesIn(TMPDIR), [])
})
