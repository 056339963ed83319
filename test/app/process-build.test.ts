/** A checkout, as it comes: it builds and runs through the npm scripts, and runs without a build. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { beginCall, groupLives, key, listTools, root, start, until } from '../support/process.js'

/** A copy to build in and to change, so that neither meets another test. */
function checkOut (t: Test): string {
  const cwd = t.testdir({ '.env': `API_KEYS=${key}\nPORT=0\n` })
  for (const part of ['src', 'plugins', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) cpSync(join(root, part), join(cwd, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(cwd, 'node_modules'))
  return cwd
}

t.test('npm start from a clean build answers the call that is under way at SIGTERM, and exits with 0', async t => {
  const cwd = checkOut(t)
  const build = spawnSync('npm', ['run', 'build'], { cwd, encoding: 'utf8' })
  t.equal(build.status, 0, build.stdout)
  const server = start(t, 'npm', ['start'], { cwd, group: true })
  const call = await beginCall(t, await server.url)
  server.child.kill('SIGTERM')
  await until(() => server.stdout().includes('"stopping"'))
  call.finish()
  t.match(await call.answer, /HTTP\/1\.1 200 OK[^]*"whoami"/)
  t.same(await server.ended, { code: 0, signal: null })
  t.notOk(groupLives(server.child))
})

t.test('npm run dev serves without a build, restarts on a change, and leaves no process behind', async t => {
  const cwd = checkOut(t)
  const dev = start(t, 'npm', ['run', 'dev'], { cwd, group: true })
  t.equal((await listTools(await dev.url)).status, 200)

  const changed = join(cwd, 'src/server.ts')
  const starts = (): number => dev.stderr().match(/^Ready: /gm)?.length ?? 0
  // Again: a change that comes before the watcher has found the file is not seen. Not before a start had its time: it would end that.
  for (let writes = 0; starts() < 2 && writes < 5; writes++) {
    appendFileSync(changed, '\n// changed\n')
    for (let waited = 0; starts() < 2 && waited < 12_000; waited += 100) await sleep(100)
  }
  t.ok(starts() >= 2, 'a change starts it again')

  dev.child.kill('SIGTERM')
  await dev.ended
  await until(() => !groupLives(dev.child))
  t.notOk(groupLives(dev.child))
})
