/** The command `lint`. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { adaKey } from '../../../support/service.js'
import { say } from '../../../support/terminal.js'
import { secret } from '../../../support/tokens.js'

const env = { API_KEYS: adaKey, JWT_SECRET: secret }
const badTool = "{ name: 'fetch', input: { type: 'object', properties: { method: {} } }, handler: () => '' }"

t.test('lint finds nothing in the built-in tools and creates no files', async t => {
  const directory = t.testdir({})
  const { code, stdout } = await say(['lint'], directory, { ...env, AUDIT_FILE: join(directory, 'audit.jsonl') })
  t.equal(code, 0)
  t.match(stdout, /^Nothing found in 5 tools\.$/)
  t.equal((await say(['lint'], directory, { API_KEYS: adaKey })).stdout, 'Nothing found in 1 tool.')
  t.notOk(existsSync(join(directory, '.state')))
  t.notOk(existsSync(join(directory, 'audit.jsonl')))
})

t.test('lint --tools checks the tools of a module and exits with 1', async t => {
  const directory = t.testdir({ 'tools.mjs': `export const tools = [${badTool}]` })
  const { code, stdout } = await say(['lint', '--tools', 'tools.mjs', '--json'], directory, env)
  t.equal(code, 1)
  const { tools, findings } = JSON.parse(stdout)
  t.ok(tools.includes('whoami') && tools.includes('fetch'))
  t.same(findings.map(({ id, tool }: { id: string, tool: string }) => [tool, id]),
    ['title', 'hints', 'description', 'catch-all'].map(id => ['fetch', id]))
})

t.test('lint --for claude reports missing settings', async t => {
  const { code, stdout } = await say(['lint', '--for', 'claude'], t.testdir({}), env)
  t.equal(code, 1)
  t.match(stdout, /^public-url: .*\n {2}Fix: .*\noauth: /)
})

t.test('lint names an unusable module', async t => {
  const directory = t.testdir({ 'none.mjs': 'export const other = 1', 'bad.mjs': 'export const tools = [{}]' })
  t.match(await say(['lint', '--tools', 'none.mjs'], directory, env), { code: 1, stderr: /must export an array of tools/ })
  t.match(await say(['lint', '--tools', 'bad.mjs'], directory, env), { code: 1, stderr: /name must be/ })
  t.match(await say(['lint', '--tools', 'gone.mjs'], directory, env), { code: 1, stderr: /cannot be loaded/ })
  t.match(await say(['lint', '--for', 'nobody'], directory, env), { code: 1 })
})
