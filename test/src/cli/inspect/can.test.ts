/** `can` reports who may do what, and which rule decides. */
import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { mintToken } from '../../../../src/tokens/mint.js'
import { secret } from '../../../support/tokens.js'
import { adaKey } from '../../../support/service.js'
import { statePath } from '../../../support/state.js'
import { say, type Said } from '../../../support/terminal.js'

interface Place {
  readonly can: (...args: string[]) => Promise<Said>
  readonly run: (...args: string[]) => Promise<Said>
  readonly write: (token: string) => void
}

/** Returns settings with a key file, a state directory and a policy file. */
async function place (t: Test, env: Record<string, string> = {}): Promise<Place> {
  const directory = t.testdir({
    'policies.json': JSON.stringify({ tools: { search: { access: { scopes: ['files:read'] } }, whoami: {} } })
  })
  const settings = {
    API_KEYS: adaKey,
    API_KEYS_FILE: 'api-keys.json',
    JWT_SECRET: secret,
    STATE_DIR: await statePath(t),
    TOOL_POLICY_FILE: 'policies.json',
    ...env
  }
  const run = async (...args: string[]): Promise<Said> => await say(args, directory, settings)
  return {
    run,
    can: async (...args) => await run('can', ...args),
    write: token => {
      execFileSync('sh', ['-c', 'cat > token.txt'], { cwd: directory, input: token })
    }
  }
}

async function newKey ({ run }: Place, ...options: string[]): Promise<string> {
  return (
    JSON.parse((await run('keys', 'create', '--name', 'laptop', '--json', ...options)).stdout) as {
      id: string
    }
  ).id
}

t.test('can reports active, disabled, revoked and unknown keys', async t => {
  const at = await place(t)
  const id = await newKey(at, '--owner', 'ada')
  t.match(await at.can(id), {
    code: 0,
    stdout:
      /^allowed\nKey \w+ \(laptop\) is active\. .*whoami.*\nCaller: user:ada, role user, scopes none, key/
  })
  await at.run('keys', 'disable', id)
  t.match(await at.can(id), { code: 1, stdout: /^denied\nKey \w+ \(laptop\) is disabled\.$/ })
  await at.run('keys', 'revoke', id)
  t.match(await at.can(id, 'whoami'), { code: 1, stdout: /^denied\nKey .* is revoked\.$/ })
  t.match(await at.can('k'.repeat(12)), {
    code: 1,
    stdout: /^denied\nNeither the key file .* nor API_KEYS contains a key k+\.$/
  })
})

t.test('can names the rule that decides about a tool', async t => {
  const at = await place(t)
  for (const [args, stdout] of [
    [['--principal-role', 'user', 'whoami'], /^allowed\nwhoami has no access rule\.\n/],
    [
      ['--principal-role', 'user', 'generate-token'],
      /^denied\ngenerate-token is for the role admin \(its own rule\), and the caller has user\.\n/
    ],
    [
      ['--principal-role', 'user', 'search'],
      /^denied\nsearch needs the scope files:read \(TOOL_POLICY_FILE\), which the caller does not have\.\n/
    ],
    [
      ['--principal-role', 'user', '--principal-scopes', 'files:*', 'search'],
      /^allowed\nThe caller matches the access rule of search: scopes files:read\. Your own tools/
    ],
    [
      ['--principal-role', 'admin', 'generate-token'],
      /^denied\ngenerate-token is refused by a rule in its code \(for generate-token: MINT_POLICY\)/
    ]
  ] as const) {
    const said = await at.can(...args)
    t.match(said.stdout, stdout)
    t.equal(said.code, said.stdout.startsWith('allowed') ? 0 : 1)
  }
})

t.test('can reports an unserved tool and a frozen tool', async t => {
  const off = await place(t, { MINT_POLICY: 'off' })
  t.match(await off.can('--principal-role', 'admin', 'generate-token'), {
    code: 1,
    stdout: /^denied\ngenerate-token is not served: MINT_POLICY is off\./
  })
  const at = await place(t)
  await at.run('token', '--user', 'ada')
  await at.run('freeze', '--tool', 'search')
  t.match(await at.can('--principal-role', 'user', '--principal-scopes', 'files:read', 'search'), {
    code: 1,
    stdout: /^denied\ntool:search is frozen/
  })
  t.match(await at.can('--principal-role', 'user', 'whoami'), { code: 0 })
})

t.test('can reports valid, foreign and revoked tokens', async t => {
  const at = await place(t)
  const { token, id } = mintToken('root', 'admin', '1h', { secret })
  const foreign = mintToken('root', 'admin', '1h', { secret: 'another-secret-of-the-tests-with-32-bytes' })
  at.write(token)
  t.match(await at.can('--token-file', 'token.txt', 'generate-token'), {
    code: 0,
    stdout:
      /^allowed\nThe caller matches the access rule of generate-token: role admin, .*\nCaller: jwt:root, role admin/
  })
  await at.run('token', '--user', 'ada')
  await at.run('tokens', 'revoke', id, '--force')
  t.match(await at.can('--token-file', 'token.txt'), { code: 1, stdout: `denied\nToken ${id} was revoked.` })
  at.write(foreign.token)
  t.match(await at.can('--token-file', 'token.txt'), { code: 1, stdout: /^denied\n.*does not verify/ })
  t.match(await at.can('--token-file', 'none.txt'), {
    code: 1, stderr: 'The file of --token-file cannot be read (ENOENT); pass its path, not the token'
  })
})

t.test('can refuses text that names no caller', async t => {
  const at = await place(t)
  for (const [args, message] of [
    [[], /^Pass the id of a key, --token-file or --principal-role\./],
    [['Ada'], /^The argument is not a key id/],
    [['--principal-role', 'user', 'one', 'two'], /^Pass either a key, --token-file or --principal-role, and at most one tool\./]
  ] as const) t.match(await at.can(...args), { code: 1, stdout: '', stderr: message })
})

t.test('can --json has the same answer', async t => {
  const at = await place(t)
  t.same(JSON.parse((await at.can('--principal-role', 'user', '--json', 'whoami')).stdout), {
    allowed: true,
    rule: 'whoami has no access rule.',
    caller: 'user:somebody, role user, scopes none'
  })
})
