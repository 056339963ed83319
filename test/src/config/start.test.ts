/** Combinations of settings that start the server, stop it or give a warning. */
import t from 'tap'
import { describeProblem, endpointOf, isLoopback, readConfig } from '../../../src/config/load.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'
const sound = { API_KEYS: key, JWT_SECRET: secret }

for (const [what, environment] of [
  ['nothing', {}],
  ['empty values', { API_KEYS: '', JWT_SECRET: '' }],
  ['only spaces and commas', { API_KEYS: ' , ,, ' }],
  ['white space', { API_KEYS: ' ', JWT_SECRET: '\t ' }]
] as const) {
  t.test(`a server with ${what} as credentials does not start`, async t => {
    const { problems } = readConfig(environment)
    t.equal(problems.length, 1)
    t.match(problems.map(describeProblem).join(), /API_KEYS.*JWT_SECRET/)
  })
}

const places: Array<[string, Record<string, string>, boolean]> = [
  ['on localhost', {}, true],
  ['on another loopback address', { HOST: '127.8.8.8' }, true],
  ['on [::1]', { HOST: '[::1]' }, true],
  ['in a test', { NODE_ENV: 'test' }, true],
  ['in production on localhost', { NODE_ENV: 'production' }, false],
  ['on every address', { HOST: '0.0.0.0' }, false],
  ['on every IPv6 address', { HOST: '::' }, false],
  ['on an address of the network', { HOST: '192.168.1.5' }, false],
  ['on a name, which may resolve to anything', { HOST: 'localhost.example.com' }, false]
]
for (const [where, environment, starts] of places) {
  t.test(`a weak key and secret ${starts ? 'are warned about' : 'stop the start'} ${where}`, async t => {
    const weak = {
      ALLOWED_HOSTS: 'mcp.example.com',
      API_KEYS: 'k'.repeat(15),
      JWT_SECRET: 's'.repeat(31),
      ...environment
    }
    const { problems, warnings } = readConfig(weak)
    t.same(problems.map(({ variable }) => variable), starts ? [] : ['API_KEYS', 'JWT_SECRET'])
    t.equal(warnings.length, starts ? 2 : 0)
  })
  t.test(`a key of 16 characters and a secret of 32 bytes are accepted ${where}`, async t => {
    const { problems, warnings } = readConfig({
      ALLOWED_HOSTS: 'mcp.example.com',
      API_KEYS: 'k'.repeat(16),
      JWT_SECRET: 'ß'.repeat(16),
      ...environment
    })
    t.same(problems, [])
    t.same(warnings, [])
  })
}

t.test('an unchecked Host beyond loopback is warned about once', async t => {
  t.match(readConfig({ ...sound, HOST: '0.0.0.0' }).warnings, [/PUBLIC_URL nor ALLOWED_HOSTS/])
  t.same(readConfig({ ...sound, HOST: '0.0.0.0', PUBLIC_URL: 'https://mcp.example.com' }).warnings, [])
  t.same(readConfig({ ...sound, HOST: '0.0.0.0', ALLOWED_HOSTS: 'mcp.example.com' }).warnings, [])
})

t.test('a secret with two purposes stops the start without being repeated', async t => {
  const shared = 'x'.repeat(40)
  for (const [one, other] of [
    ['METRICS_TOKEN', 'JWT_SECRET'],
    ['METRICS_TOKEN', 'REQUEST_STATE_KEY'],
    ['METRICS_TOKEN', 'AUDIT_KEY'],
    ['AUDIT_KEY', 'JWT_SECRET'],
    ['AUDIT_KEY', 'REQUEST_STATE_KEY']
  ] as const) {
    const { problems } = readConfig({ API_KEYS: key, [one]: shared, [other]: shared })
    const [problem, ...others] = problems.map(describeProblem)
    t.match(problem, new RegExp(`^${one} is also the ${other}; use different secrets: anyone who .* could `))
    t.notMatch(problem, shared)
    t.same(others, [])
  }
  t.same(readConfig({ API_KEYS: key, METRICS_TOKEN: 'm'.repeat(40), AUDIT_KEY: 'a'.repeat(40) }).problems, [])
})

t.test('two settings that name the same file stop the start', async t => {
  const problemsOf = (environment: Record<string, string>): string[] =>
    readConfig({ ...sound, ...environment }).problems.map(describeProblem)
  t.same(problemsOf({ API_KEYS_FILE: 'keys.json', AUDIT_FILE: './x/../keys.json' }), [
    'AUDIT_FILE names the same file as API_KEYS_FILE; give it a file of its own'
  ])
  t.match(problemsOf({ UPSTREAMS_FILE: 'u.json', UPSTREAMS_LOCK: 'u.json' }), [/^UPSTREAMS_LOCK names the same file/])
  t.match(problemsOf({ AUDIT_FILE: '.env' }), [/^AUDIT_FILE names the same file as \.env/])
  t.same(problemsOf({ UPSTREAMS_FILE: 'u.json', UPSTREAMS_LOCK: 'u.lock.json', AUDIT_FILE: 'audit.jsonl' }), [])
})

t.test('a PUBLIC_URL that includes the endpoint is warned about', async t => {
  t.match(readConfig({ ...sound, PUBLIC_URL: 'https://mcp.example.com/mcp' }).warnings, [/^PUBLIC_URL/])
})

t.test('a missing credential lists every setting that could provide one', async t => {
  const [problem] = readConfig({}).problems
  for (const name of ['API_KEYS', 'JWT_SECRET', 'API_KEYS_FILE', 'JWT_ISSUER', 'init']) {
    t.match(problem && describeProblem(problem), new RegExp(`\\b${name}\\b`))
  }
})

for (const [environment, port, endpoint] of [
  [{}, undefined, 'http://localhost:3000/mcp'],
  [{ PORT: '0' }, 4711, 'http://localhost:4711/mcp'],
  [{ HOST: '0.0.0.0' }, undefined, 'http://localhost:3000/mcp'],
  [{ HOST: '::1' }, undefined, 'http://[::1]:3000/mcp'],
  [{ HOST: '10.0.0.5', PORT: '80' }, undefined, 'http://10.0.0.5:80/mcp'],
  [{ PUBLIC_URL: 'https://example.com/tools/' }, undefined, 'https://example.com/tools/mcp']
] as const) {
  t.test(`${JSON.stringify(environment)} gives the endpoint ${endpoint}`, async t => {
    t.equal(endpointOf(readConfig({ ...sound, ...environment }).config, port), endpoint)
  })
}

t.test('isLoopback is true only for hosts of this machine', async t => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.1', '::1', '[::1]']) {
    t.ok(isLoopback(host), host)
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '128.0.0.1',
    '127.0.0.1.example.com',
    'localhost.example',
    '127.1',
    ''
  ]) { t.notOk(isLoopback(host), host) }
})
