/** The questions of `npm create fastify-mcp-auth`, on a real terminal. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { onTerminal } from '../support/create.js'
import { until } from '../support/until.js'

function reasonToSkip (): string | false {
  if (spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') !== true) {
    return 'util-linux with `script` is not installed'
  }
  try {
    createRequire(new URL('../../create/index.js', import.meta.url)).resolve('@clack/prompts')
    return false
  } catch {
    return 'the dependencies of create/ are not installed: npm install --prefix create'
  }
}

const skip = reasonToSkip()
const [enter, down, ctrlC, ctrlU] = ['\r', '\u001b[B', '\u0003', '\u0015']

t.test('without arguments it asks for a directory and a template', { skip }, async t => {
  const directory = t.testdir({ full: { 'mine.txt': '' } })
  const { child, ended, seen } = onTerminal(directory, ['--no-install'])
  await until(() => seen().includes('Which directory?'))
  child.stdin?.write(`Shop${enter}`)
  await until(() => seen().includes('is not a valid package name'))
  child.stdin?.write(`${ctrlU}full${enter}`)
  await until(() => seen().includes('is not empty'))
  t.notMatch(seen(), 'Which template?')
  child.stdin?.write(`${ctrlU}shop${enter}`)
  await until(() => seen().includes('Which template?'))
  child.stdin?.write(`${down}${enter}`)
  const { code, stdout } = await ended
  t.equal(code, 0)
  t.match(stdout, 'curl -s')
  t.ok(existsSync(join(directory, 'shop/src/app.ts')), 'the second template, embed')
  t.same(readdirSync(directory).sort(), ['full', 'shop'])
})

t.test('Enter alone takes the directory and the template that are shown', { skip }, async t => {
  const directory = t.testdir({})
  const { child, ended, seen } = onTerminal(directory, ['--no-install'])
  await until(() => seen().includes('Which directory?'))
  child.stdin?.write(enter)
  await until(() => seen().includes('Which template?'))
  child.stdin?.write(enter)
  t.equal((await ended).code, 0)
  t.match(JSON.parse(readFileSync(join(directory, 'my-server/package.json'), 'utf8')), { name: 'my-server' })
  t.notOk(existsSync(join(directory, 'my-server/src/app.ts')), 'the first template, service')
})

t.test('it does not ask for values from the command line', { skip }, async t => {
  for (const [args, isAsked] of [
    [['shop'], true],
    [['shop', '--template', 'proxy'], false],
    [['shop', '--yes'], false]
  ] as const) {
    const directory = t.testdir({})
    const { child, ended, seen } = onTerminal(directory, [...args, '--no-install'])
    if (isAsked) {
      await until(() => seen().includes('Which template?'))
      child.stdin?.write(enter)
    }
    t.equal((await ended).code, 0)
    t.notMatch(seen(), 'Which directory?')
    t.equal(seen().includes('Which template?'), isAsked)
    t.ok(existsSync(join(directory, 'shop/package.json')))
  }
})

for (const [what, args, says] of [
  ['a directory that is not empty', ['full'], 'full is not empty'],
  ['a file', ['file'], 'a file is in its place'],
  ['a name that npm refuses', ['Shop'], 'is not a valid package name'],
  ['a package that does not exist', ['shop', '--package', 'none.tgz'], 'none.tgz is not a file']
] as const) {
  t.test(`${what} is refused before any question`, { skip }, async t => {
    const directory = t.testdir({ full: { 'mine.txt': 'mine' }, file: 'mine' })
    const { ended } = onTerminal(directory, args)
    const { code, stdout } = await ended
    t.equal(code, 1)
    t.match(stdout, says)
    t.notMatch(stdout, 'Which')
    t.same(readdirSync(directory).sort(), ['file', 'full'])
  })
}

t.test('Ctrl-C at a question exits with 130 and creates nothing', { skip }, async t => {
  for (const [args, question] of [[[], 'Which directory?'], [['shop'], 'Which template?']] as const) {
    const directory = t.testdir({})
    const { child, ended, seen } = onTerminal(directory, args)
    await until(() => seen().includes(question))
    child.stdin?.write(ctrlC)
    t.equal((await ended).code, 130)
    t.same(readdirSync(directory), [])
  }
})
