/** `can` reports who may do what, and which rule decides. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf } from '../../../../src/upstreams/lock.js'
import { mintToken } from '../../../../src/tokens/mint.js'
import { secret } from '../../../support/tokens.js'
import { adaKey } from '../../../support/service.js'
import { statePath } from '../../../support/state.js'
import { say, type Said } from '../../../support/terminal.js'

interface Place {
  readonly directory: string
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
    directory,
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
      /^allowed\nThe caller matches the access rule of search: scopes files:read\. search is a tool of your app: a rule in/
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
    stdout: /^denied\ntool:search is frozen; "fastify-mcp-auth thaw --tool search" switches it on\./
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
    [['--principal-role', 'user', 'one', 'two'], /^Pass either a key, --token-file or --principal-role, and at most one tool\./],
    [['--principal-role', 'user', '--token-file', 'x'], /^Pass either a key, --token-file or --principal-role/],
    [['k'.repeat(12), '--principal-id', 'user:ada'], /^--principal-scopes and --principal-id need --principal-role\./],
    [['--principal-scopes', 'a', 'k'.repeat(12)], /^--principal-scopes and --principal-id need --principal-role\./],
    [['--principal-role', 'Admin', 'search'], /^--principal-role must be admin, user or your own name/],
    [['--principal-role', 'user', 'send mail'], /^The name of the tool must be 1 to 128 of/],
    [['--principal-role', 'user', ''], /^The name of the tool must be 1 to 128 of/],
    [['--principal-role', 'user', '--principal-role', 'admin'], /--principal-role is given more than once/]
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

t.test('can knows the tools of the authorization server', async t => {
  const off = await place(t)
  t.match(await off.can('--principal-role', 'admin', 'revoke-grant'), {
    code: 1,
    stdout: /^denied\nrevoke-grant is not served: OAUTH_SERVER is off\./
  })
  const on = await place(t, { OAUTH_SERVER: 'on', PUBLIC_URL: 'https://mcp.example.com' })
  t.match(await on.can('--principal-role', 'admin', 'list-grants'), {
    code: 0,
    stdout: /^allowed\nThe caller matches the access rule of list-grants: role admin\.\n/
  })
  t.match(await on.can('--principal-role', 'user', 'list-grants'), { code: 1, stdout: /is for the role admin/ })
})

const mcpServers = {
  files: {
    command: 'never-started',
    exclude: ['write'],
    rename: { read: 'search' },
    access: { roles: ['editor'] }
  },
  docs: { url: 'https://docs.example.com/mcp' }
}

t.test('can explains tools of upstreams by their settings', async t => {
  const at = await place(t, { UPSTREAMS_FILE: 'mcp.json' })
  writeFileSync(join(at.directory, 'mcp.json'), JSON.stringify({ mcpServers }))
  for (const [role, tool, stdout] of [
    ['user', 'files_list', /^denied\nfiles_list is for the role editor \(UPSTREAMS_FILE\), and the caller has user\.\n/],
    ['editor', 'files_list', /^allowed\n.*role editor\. It exists if the server behind it offers it, as list of the upstream files\.\n/],
    ['editor', 'search', /^denied\nsearch needs the scope files:read \(TOOL_POLICY_FILE\)/],
    ['editor', 'files_read', /^denied\nfiles_read is unknown: it is not built in, and no setting names it\. If/],
    ['editor', 'files_write', /^denied\nfiles_write is unknown: /],
    ['user', 'docs_find', /^allowed\ndocs_find has no access rule\. It exists if .* as find of the upstream docs\.\n/]
  ] as const) t.match((await at.can('--principal-role', role, tool)).stdout, stdout)
})

t.test('can knows which tools of upstreams are approved', async t => {
  const at = await place(t, { UPSTREAMS_FILE: 'mcp.json', UPSTREAMS_LOCK: 'lock.json' })
  writeFileSync(join(at.directory, 'mcp.json'), JSON.stringify({ mcpServers: { docs: mcpServers.docs } }))
  const denied = { code: 1, stdout: /^denied\nfind is not served: UPSTREAMS_LOCK does not contain find of the upstream docs\./ }
  t.match(await at.can('--principal-role', 'user', 'find'), denied)
  const definition = { name: 'find', inputSchema: { type: 'object' } }
  const tools = { find: { digest: digestOf(definition), definition } }
  writeFileSync(join(at.directory, 'lock.json'), JSON.stringify({ version: 1, upstreams: { docs: tools } }))
  t.match(await at.can('--principal-role', 'user', 'find'), {
    code: 0,
    stdout: /^allowed\nfind has no access rule\. It is find of the upstream docs\.\n/
  })
})

for (const [what, env, files, stderr] of [
  ['policies that are missing', { TOOL_POLICY_FILE: 'none.json' }, {}, /TOOL_POLICY_FILE names a file that does not exist/],
  ['policies that are not JSON', { TOOL_POLICY_FILE: 'x.json' }, { 'x.json': '{' }, /TOOL_POLICY_FILE is not valid JSON/],
  ['upstreams that are not JSON', { UPSTREAMS_FILE: 'x.json' }, { 'x.json': '{' }, /UPSTREAMS_FILE names a file that is not JSON/],
  [
    'upstreams with an invalid rule',
    { UPSTREAMS_FILE: 'x.json' },
    { 'x.json': JSON.stringify({ mcpServers: { a: { command: 'a', access: { roles: 'admin' } } } }) },
    /UPSTREAMS_FILE Upstream "a": Tool "search": access: each role must be/
  ]
] as const) {
  t.test(`can names the setting for ${what}`, async t => {
    const at = await place(t, env)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(at.directory, name), text)
    t.match(await at.can('--principal-role', 'user', 'search'), { code: 1, stdout: '', stderr })
  })
}
