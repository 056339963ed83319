/** `npm create fastify-mcp-auth`, stopped during an installation. */
import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { begin, type Running } from '../support/create.js'
import { until } from '../support/until.js'

/** Replaces npm: writes files, and starts a program that writes more files until it is stopped. */
const writes = `#!/bin/sh
mkdir -p node_modules/a
(while true; do echo x >> node_modules/a/file; sleep 0.05; done) &
echo $! > "$PIDS/program"
echo $$ > "$PIDS/npm"
wait
`
/** The same, but it ignores SIGTERM and SIGINT. */
const stubborn = writes.replace('mkdir', "trap '' TERM INT\nmkdir")

async function installing (t: Test, npm: string, target: string): Promise<Running & { readonly directory: string }> {
  const directory = t.testdir({ bin: { npm }, pids: {}, empty: {} })
  chmodSync(join(directory, 'bin/npm'), 0o755)
  const env = { PATH: `${join(directory, 'bin')}${delimiter}${process.env.PATH ?? ''}`, PIDS: join(directory, 'pids') }
  const running = begin(directory, [target, '--yes'], env)
  const written = [join(directory, 'pids/npm'), join(directory, target, 'node_modules/a/file')]
  await until(() => written.every(file => existsSync(file)))
  return { ...running, directory }
}

function isRunning (directory: string, name: string): boolean {
  try {
    return process.kill(Number(readFileSync(join(directory, 'pids', name), 'utf8')), 0)
  } catch {
    return false
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`${signal} during the installation stops npm and leaves nothing behind`, async t => {
    const { child, ended, directory } = await installing(t, writes, 'deep/er/shop')
    child.kill(signal)
    const { code, stdout, stderr } = await ended
    t.equal(code, 130)
    t.equal(stdout, '')
    t.equal(stderr, 'Stopped; nothing was left behind.\n')
    await until(() => !isRunning(directory, 'npm') && !isRunning(directory, 'program'))
    t.same(readdirSync(directory).sort(), ['bin', 'empty', 'pids'])
  })
}

t.test('an empty directory that was there before is empty again', async t => {
  const { child, ended, directory } = await installing(t, writes, 'empty')
  child.kill('SIGINT')
  t.equal((await ended).code, 130)
  t.same(readdirSync(join(directory, 'empty')), [])
})

t.test('repeated signals and an npm that ignores them leave nothing behind', async t => {
  const { child, ended, directory } = await installing(t, stubborn, 'shop')
  for (let count = 0; count < 5; count++) child.kill('SIGINT')
  const { code, stderr } = await ended
  t.equal(code, 130)
  t.equal(stderr, 'Stopped; nothing was left behind.\n')
  await until(() => !isRunning(directory, 'npm') && !isRunning(directory, 'program'))
  t.same(readdirSync(directory).sort(), ['bin', 'empty', 'pids'])
})
