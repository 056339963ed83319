/** The output and exit codes of `doctor`. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exitCodeOf, type Finding } from '../../../../src/doctor/finding.js'
import { keyFile, newKey } from '../../../support/keys.js'
import { adaKey, listening, service } from '../../../support/service.js'
import { say } from '../../../support/terminal.js'

const sound = { API_KEYS: adaKey }
const findingsIn = (stdout: string): Finding[] => (JSON.parse(stdout) as { findings: Finding[] }).findings

t.test('doctor finds nothing in valid settings and exits with 0', async t => {
  t.same(await say(['doctor'], t.testdir({}), sound), { code: 0, stdout: 'Nothing found.', stderr: '' })
  t.same(await say(['doctor', '--json'], t.testdir({}), sound), {
    code: 0,
    stdout: '{\n  "findings": []\n}',
    stderr: ''
  })
})

t.test('doctor names every setting that stops the start and exits with 2', async t => {
  const { code, stdout } = await say(['doctor', '--json'], t.testdir({}), {
    ...sound,
    PORT: 'x',
    API_KEYS_FILE: 'none.json',
    AUDIT_FILE: 'none/audit.jsonl'
  })
  t.equal(code, 2)
  t.match(findingsIn(stdout), [
    { id: 'setting', severity: 'error', what: /^PORT is not a whole number/, fix: /^use a whole number/ },
    { id: 'setting', severity: 'error', what: /^API_KEYS_FILE names a file that does not exist/ },
    { id: 'setting', severity: 'error', what: 'AUDIT_FILE names a file that cannot be written (ENOENT)' }
  ])
})

t.test('doctor checks AUDIT_FILE and does not create it', async t => {
  const directory = t.testdir({ 'a-file': '', 'a-directory': {}, 'audit.jsonl': '' })
  for (const [AUDIT_FILE, code] of [['a-directory', 'EISDIR'], ['a-file/audit.jsonl', 'ENOTDIR']] as const) {
    const { stdout } = await say(['doctor', '--json'], directory, { ...sound, AUDIT_FILE })
    t.match(findingsIn(stdout), [{ what: `AUDIT_FILE names a file that cannot be written (${code})` }], AUDIT_FILE)
  }
  for (const AUDIT_FILE of ['audit.jsonl', 'new.jsonl']) {
    t.equal((await say(['doctor'], directory, { ...sound, AUDIT_FILE })).stdout, 'Nothing found.')
  }
  t.notOk(existsSync(join(directory, 'new.jsonl')))
})

t.test('doctor reads UPSTREAMS_FILE with the variables that it names', async t => {
  const text = '{"mcpServers":{"notes":{"url":"https://notes.example.com/mcp","headers":{"x-token":"$' + '{NOTES_TOKEN}"}}}}'
  const directory = t.testdir({ 'upstreams.json': text })
  const env = { ...sound, UPSTREAMS_FILE: 'upstreams.json' }
  t.same(await say(['doctor'], directory, { ...env, NOTES_TOKEN: 'a-token-of-notes' }), {
    code: 0,
    stdout: 'Nothing found.',
    stderr: ''
  })
  const { code, stdout } = await say(['doctor'], directory, env)
  t.equal(code, 2)
  t.match(stdout, /UPSTREAMS_FILE .*NOTES_TOKEN/)
})

t.test('doctor warns of risks and exits with 1', async t => {
  const { code, stdout } = await say(['doctor', '--json'], t.testdir({}), {
    ...sound,
    PUBLIC_URL: 'https://mcp.example.com',
    NODE_ENV: 'production'
  })
  t.equal(code, 1)
  t.match(findingsIn(stdout), [{ id: 'trust-proxy', severity: 'warning', fix: /TRUST_PROXY/ }])
})

t.test('doctor warns of keys that expire within a week', async t => {
  const [one, other] = [newKey({ lifetimeSeconds: 86_400 }).record, newKey({ lifetimeSeconds: 86_400 }).record]
  for (const [records, what] of [
    [[one, newKey().record], `1 key expires within a week: ${one.id}`],
    [[one, other], `2 keys expire within a week: ${one.id}, ${other.id}`]
  ] as const) {
    const { code, stdout } = await say(['doctor', '--json'], t.testdir({}), {
      ...sound,
      API_KEYS_FILE: await keyFile(t, records)
    })
    t.equal(code, 1)
    t.match(findingsIn(stdout), [{ id: 'keys-ending', severity: 'warning', what }])
  }
})

t.test('doctor --url prints findings on stdout without the credential', async t => {
  const app = await service(t, {})
  const url = `${await listening(app)}/mcp`
  const directory = t.testdir({})
  writeFileSync(join(directory, '.env'), '')
  const { code, stdout, stderr } = await say(['doctor', '--url', url, '--json'], directory, {})
  t.equal(code, exitCodeOf(findingsIn(stdout)))
  for (const finding of findingsIn(stdout)) t.same(Object.keys(finding), ['id', 'severity', 'what', 'why', 'fix'])
  // A busy machine may be slow.
  t.match(findingsIn(stdout).map(({ id }) => id).filter(id => id !== 'slow'), ['https', 'port'])
  t.match(stderr, /^Checking name, port and TLS …$/m)
})

for (const [what, args, message] of [
  ['no URL', ['--url', 'mcp.example.com'], /^--url must be an http or https address/],
  [
    'a URL with a password',
    ['--url', 'https://ada:secret@mcp.example.com/mcp'],
    /^--url must not contain a user name/
  ],
  ['a key file without a URL', ['--key-file', 'key.txt'], /require --url/],
  [
    'a missing key file',
    ['--url', 'http://127.0.0.1:1/mcp', '--key-file', 'none.txt'],
    /^The file of --key-file cannot be read \(ENOENT\); pass its path, not the credential$/
  ],
  [
    'a key file with two lines',
    ['--url', 'http://127.0.0.1:1/mcp', '--key-file', 'two.txt'],
    /must contain one credential/
  ],
  [
    'both a key and a token',
    ['--url', 'http://127.0.0.1:1/mcp', '--key-file', 'a', '--token-file', 'b'],
    /cannot be used with/
  ],
  [
    'a key in place of a key file',
    ['--url', 'http://127.0.0.1:1/mcp', '--key-file', 'secret-key-of-ada'],
    /^The file of --key-file cannot be read/
  ],
  [
    'a token in place of a token file',
    ['--url', 'http://127.0.0.1:1/mcp', '--token-file', 'secret-token-of-ada'],
    /^The file of --token-file cannot be read/
  ],
  ['an empty key file', ['--url', 'http://127.0.0.1:1/mcp', '--key-file', 'empty.txt'], /--key-file is empty/],
  ['a URL with an empty query', ['--url', 'http://127.0.0.1:1/mcp?'], /must not contain .* a query/],
  ['an unknown host', ['--url', 'http://127.0.0.1:1/mcp', '--as', 'emacs'], /claude, chatgpt, vscode/]
] as const) {
  t.test(`doctor refuses ${what}`, async t => {
    const { code, stdout, stderr } = await say(
      ['doctor', ...args],
      t.testdir({ 'two.txt': 'one\ntwo\n', 'empty.txt': '\r\n' }),
      sound
    )
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, message)
    t.notMatch(stderr, 'secret')
  })
}
