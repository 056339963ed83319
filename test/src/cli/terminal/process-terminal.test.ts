/** Commands whose output cannot be written. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readKeyFile } from '../../../../src/api-keys/file.js'
import { directory, keyFile, newKey } from '../../../support/keys.js'
import { start, viaTsx, type Running } from '../../../support/process.js'
import { secret } from '../../../support/tokens.js'

/** Runs a command with a shell redirection such as `> /dev/full`. */
function writing (t: Test, cwd: string, where: string, ...args: string[]): Running {
  return start(t, 'sh', ['-c', `"$@" ${where}`, 'sh', process.execPath, ...viaTsx, ...args], {
    cwd,
    env: { JWT_SECRET: secret }
  })
}

t.test(
  'keys create reports a key that could not be shown',
  { skip: process.platform === 'linux' ? false : 'there is no /dev/full' },
  async t => {
    const cwd = await directory(t)
    const run = writing(t, cwd, '>/dev/full', 'keys', 'create', '--name', 'ci')
    t.same(await run.ended, { code: 1, signal: null })
    const [record] = await readKeyFile(join(cwd, 'api-keys.json'))
    t.equal(
      run.stderr(),
      `Cannot write to standard output (ENOSPC).\nThe secret of key ${record?.id} is valid but could not ` +
        `be shown: replace it with keys rotate ${record?.id} --grace 0\n`
    )
  }
)

t.test('keys create reports a key whose reader has exited', async t => {
  const cwd = await directory(t)
  const run = writing(t, cwd, '| true', 'keys', 'create', '--name', 'ci')
  await run.ended
  t.match(run.stderr(), /^The secret of key \w{12} is valid but could not be shown: [^\n]+\n$/)
})

t.test('token reports the id of a token that could not be shown', async t => {
  const run = writing(t, await directory(t), '| true', 'token', '--user', 'ada')
  await run.ended
  t.match(run.stderr(), /^The token could not be shown\. [^\n]+ [\w-]{36}\n$/)
})

t.test('keys list ignores EPIPE', async t => {
  const path = await keyFile(t, [newKey().record])
  const run = writing(t, await directory(t), '| true', 'keys', 'list', '--file', path)
  await run.ended
  t.equal(run.stderr(), '')
})

t.test(
  'keys list that cannot be written is one sentence and exit code 1',
  { skip: process.platform === 'linux' ? false : 'there is no /dev/full' },
  async t => {
    const path = await keyFile(t, [newKey().record])
    const run = writing(t, await directory(t), '>/dev/full', 'keys', 'list', '--file', path)
    t.same(await run.ended, { code: 1, signal: null })
    t.equal(run.stderr(), 'Cannot write to standard output (ENOSPC).\n')
  }
)
