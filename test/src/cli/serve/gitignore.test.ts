/** `init` in a repository keeps secrets out of it. */
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { say } from '../../../support/terminal.js'

for (const [what, before, after] of [
  ['no .gitignore', undefined, '.env\n.state/\n'],
  ['an empty one', '', '.env\n.state/\n'],
  ['a file without a line break at its end', 'node_modules', 'node_modules\n.env\n.state/\n'],
  ['a file that ignores .env', '.env\n', '.env\n.state/\n'],
  ['a file that ignores both with other patterns', '/.env\r\n/.state\r\n', '/.env\r\n/.state\r\n'],
  ['a file that mentions .env in a comment', '# .env\n', '# .env\n.env\n.state/\n']
] as const) {
  t.test(`init in a repository with ${what} ignores .env and .state`, async t => {
    const directory = t.testdir({ '.git': {} })
    if (before !== undefined) writeFileSync(join(directory, '.gitignore'), before)
    const { code, stdout } = await say(['init'], directory)
    t.equal(code, 0)
    t.equal(readFileSync(join(directory, '.gitignore'), 'utf8'), after)
    t.equal(/^Added .* to \.gitignore\.$/m.test(stdout), before !== after)
  })
}

t.test('init in a subdirectory writes .gitignore next to .env', async t => {
  const directory = t.testdir({ '.git': {}, inner: {} })
  await say(['init'], join(directory, 'inner'))
  t.equal(readFileSync(join(directory, 'inner', '.gitignore'), 'utf8'), '.env\n.state/\n')
})

t.test('init does not write .gitignore through a link, and says so', async t => {
  const directory = t.testdir({ '.git': {}, elsewhere: 'untouched' })
  symlinkSync('elsewhere', join(directory, '.gitignore'))
  const { code, stderr } = await say(['init'], directory)
  t.equal(code, 0)
  t.match(stderr, /^Warning: \.gitignore cannot be written \(ELOOP\)/)
  t.equal(readFileSync(join(directory, 'elsewhere'), 'utf8'), 'untouched')
})

t.test('init recognizes a submodule or a worktree as a repository', async t => {
  const directory = t.testdir({ '.git': 'gitdir: ../.git/modules/x\n' })
  await say(['init'], directory)
  t.ok(lstatSync(join(directory, '.gitignore')).isFile())
})
