/** Commands load only what they need. Otherwise each would take a second and 100 MB. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const root = fileURLToPath(new URL('../../..', import.meta.url))
/** Prints the URL of each loaded module. */
const hook = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module'
  register('data:text/javascript,' + encodeURIComponent(
    'export async function resolve (name, context, next) { const found = await next(name, context); process._rawDebug("loads " + found.url); return found }'
  ))
`)}`

function modulesOf (t: Test, ...args: readonly string[]): string[] {
  const { NODE_OPTIONS: _, ...env } = process.env
  const { stderr } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--import', hook, `${root}src/cli/main.ts`, ...args],
    { cwd: t.testdir({}), env, encoding: 'utf8' }
  )
  return [...stderr.matchAll(/^loads (.*)$/gm)].map(([, url = '']) => url)
}

const packages = /node_modules\/(@modelcontextprotocol|fastify|zod|jose|pino)\//
for (const [command, ...args] of [['--version'], ['init']] as const) {
  t.test(`${command} loads neither an SDK nor Fastify`, async t => {
    const urls = modulesOf(t, command, ...args)
    t.ok(urls.some(url => url.endsWith('/src/cli/program.ts')))
    t.same(urls.filter(url => packages.test(url)), [])
  })
}

for (const args of [
  ['--help'],
  ['token', '--help'],
  ['tokens', '--help'],
  ['keys', '--help'],
  ['config', '--help'],
  ['start', '--help']
]) {
  t.test(`${args.join(' ')} loads no SDK`, async t => {
    const urls = modulesOf(t, ...args)
    t.ok(urls.some(url => url.endsWith('/src/cli/program.ts')))
    t.same(
      urls.filter(url => /node_modules\/@modelcontextprotocol\//.test(url)),
      []
    )
  })
}
