/** `npm create fastify-mcp-auth` without an installation: the files it writes, and its errors. */
import { chmodSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { create } from '../support/create.js'

for (const template of ['service', 'embed', 'proxy']) {
  t.test(`the template ${template} has all files of the README, and private secrets`, async t => {
    const directory = t.testdir({})
    const { code, stdout, stderr } = await create(directory, ['shop', '--yes', '--no-install', '--template', template])
    t.equal(code, 0, stderr)
    const at = (file: string): string => join(directory, 'shop', file)
    for (const file of [
      '.env', '.env.example', '.gitignore', '.dockerignore', '.github/workflows/ci.yml', 'AGENTS.md', 'Dockerfile',
      'README.md', 'package.json', 'tsconfig.json', 'src/server.ts', 'src/options.ts', 'src/tools/greet.ts',
      'src/tools/add-note.ts', 'src/resources/notes.ts', 'test/greet.test.ts', 'test/add-note.test.ts', 'test/app.ts'
    ]) t.ok(existsSync(at(file)), file)
    t.equal(statSync(at('.env')).mode & 0o777, 0o600)
    const env = readFileSync(at('.env'), 'utf8')
    t.match(env, /^API_KEYS=mcp_[\w-]{43}$/m)
    t.match(env, /^JWT_SECRET=[\w-]{43}$/m)
    t.match(readFileSync(at('.env.example'), 'utf8'), /^API_KEYS=change-me/m)
    t.match(readFileSync(at('.gitignore'), 'utf8'), /^\.env$/m)
    t.match(JSON.parse(readFileSync(at('package.json'), 'utf8')), { name: 'shop', private: true })
    t.ok(readFileSync(at('README.md'), 'utf8').split('\n').length <= 40, 'the README fits a screen')
    const all = readdirSync(at('.'), { recursive: true, encoding: 'utf8' })
      .filter(file => statSync(at(file)).isFile())
      .map(file => readFileSync(at(file), 'utf8')).join('\n')
    t.notMatch(all, /my-server/)
    t.match(stdout.trimEnd().split('\n').at(-1), /^curl .*x-api-key: mcp_/)
  })
}

t.test('two projects have different secrets', async t => {
  const directory = t.testdir({})
  const keys = new Set<string>()
  for (const name of ['one', 'two']) {
    await create(directory, [name, '--yes', '--no-install'])
    keys.add(readFileSync(join(directory, name, '.env'), 'utf8'))
  }
  t.equal(keys.size, 2)
})

const refused: ReadonlyArray<readonly [what: string, args: readonly string[], says: RegExp]> = [
  ['no directory', ['--yes'], /^Name the directory/],
  ['two directories', ['a', 'b'], /^Name only one directory/],
  ['a name with capitals', ['Shop'], /"Shop" is not a valid package name/],
  ['a name with a space', ['my shop'], /is not a valid package name/],
  ['a name with a dot before it', ['.shop'], /is not a valid package name/],
  ['a name of Node', ['http'], /is not a valid package name/],
  ['our own name', ['fastify-mcp-auth'], /is not a valid package name/],
  ['a name of 215 characters', ['a'.repeat(215)], /is not a valid package name/],
  ['an unknown template', ['shop', '--template', 'lambda'], /must be one of service, embed, proxy/],
  ['an unknown option', ['shop', '--force'], /Unknown option '--force'; --help/],
  ['a missing package', ['shop', '--package', 'none.tgz'], /none\.tgz is not a file/],
  ['a directory that is not empty', ['full'], /full is not empty/],
  ['a file in its place', ['file'], /file cannot be created or read \(a file is in its place\)/]
]
for (const [what, args, says] of refused) {
  t.test(`${what} is refused with one sentence and leaves nothing behind`, async t => {
    const directory = t.testdir({ full: { 'mine.txt': 'mine' }, file: 'mine' })
    const { code, stdout, stderr } = await create(directory, [...args, '--no-install'])
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, says)
    t.equal(stderr.trimEnd().split('\n').length, 1)
    t.same(readdirSync(directory).sort(), ['file', 'full'])
    t.same(readdirSync(join(directory, 'full')), ['mine.txt'])
  })
}

t.test('a failed npm install is one sentence, and existing files stay', async t => {
  const directory = t.testdir({
    bin: { npm: '#!/bin/sh\necho "npm error code E404" >&2\necho "npm error 404 Not Found" >&2\nexit 1\n' },
    empty: {}
  })
  chmodSync(join(directory, 'bin/npm'), 0o755)
  const env = { PATH: `${join(directory, 'bin')}${delimiter}${process.env.PATH ?? ''}` }
  for (const [target, isLeft] of [['deep/er/shop', false], ['empty', true]] as const) {
    const { code, stderr } = await create(directory, [target, '--yes'], env)
    t.equal(code, 1)
    t.match(stderr, /^npm install failed \(404 Not Found\); nothing was left behind\..*\n$/)
    t.equal(existsSync(join(directory, target)), isLeft)
    t.notOk(existsSync(join(directory, 'deep')))
  }
  t.same(readdirSync(join(directory, 'empty')), [])
})

t.test('a missing npm is reported', async t => {
  const directory = t.testdir({ bin: {} })
  const { code, stderr } = await create(directory, ['shop', '--yes'], { PATH: join(directory, 'bin') })
  t.equal(code, 1)
  t.match(stderr, /^npm cannot be started/)
  t.notOk(existsSync(join(directory, 'shop')))
})

t.test('a directory that is not writable is refused, even for root', async t => {
  const { code, stderr } = await create(t.testdir({}), ['/sys/shop', '--no-install'])
  t.equal(code, 1)
  t.match(stderr, /^\/sys\/shop cannot be created or read \(E[A-Z]+\)\.\n$/)
})

t.test('--help prints the options', async t => {
  t.match(await create(t.testdir({}), ['--help']), { code: 0, stdout: /--template service/ })
})
