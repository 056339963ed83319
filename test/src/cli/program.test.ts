/** The help and the usage errors of the command line tool. */
import t from 'tap'
import { version } from '../../../src/version.js'
import { say } from '../../support/terminal.js'

const commands = ['start', 'init', 'token', 'config']

t.test('--help names every command and shows a first run', async t => {
  const { code, stdout } = await say(['--help'], t.testdir({}))
  t.equal(code, 0)
  for (const command of commands) t.match(stdout, new RegExp(`^  ${command} `, 'm'))
  t.match(stdout, '$ fastify-mcp-auth init')
})

for (const command of commands) {
  t.test(`${command} --help shows an example`, async t => {
    const { code, stdout } = await say([command, '--help'], t.testdir({}))
    t.equal(code, 0)
    t.match(stdout, `$ fastify-mcp-auth ${command}`)
  })
}

t.test('--version prints the version of the package', async t => {
  t.same(await say(['--version'], t.testdir({})), { code: 0, stdout: version, stderr: '' })
})

for (const [what, args] of [
  ['nothing', []],
  ['an unknown command', ['serve']],
  ['an unknown option', ['config', '--yaml']],
  ['one argument too many', ['init', 'here']],
  ['a token without a user', ['token']],
  ['an unknown role', ['token', '--user', 'ada', '--role', 'root']]
] as const) {
  t.test(`${what} is refused on stderr with exit code 1`, async t => {
    const { code, stdout, stderr } = await say(args, t.testdir({}))
    t.equal(code, 1)
    t.equal(stdout, '')
    t.not(stderr, '')
  })
}

t.test('start with invalid settings lists them all', async t => {
  const { code, stderr } = await say(['start'], t.testdir({}), { PORT: 'x', JWT_SECRET: 'change-me' })
  t.equal(code, 1)
  t.match(stderr, /^PORT .*\nJWT_SECRET .*$/)
})
