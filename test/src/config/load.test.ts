/** Valid and invalid values of each setting. */
import t from 'tap'
import { ConfigError, describeProblem, loadConfig, readConfig } from '../../../src/config/load.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'
const sound = { API_KEYS: key, JWT_SECRET: secret }

/** Returns the variables reported for `environment` and two valid secrets. */
function faulty (environment: Record<string, string>): string[] {
  return readConfig({ ...sound, ...environment }).problems.map(({ variable }) => variable)
}

t.test('a key alone gives every other setting its default', async t => {
  const { config, problems, warnings } = readConfig({ API_KEYS: key })
  t.same(problems, [])
  t.same(warnings, [])
  t.match(config, {
    PORT: 3000,
    HOST: 'localhost',
    API_KEYS: [key],
    JWT_SECRET: undefined,
    PREAUTH_RATE_LIMIT_MAX: 30,
    PREAUTH_RATE_LIMIT_WINDOW_MS: 60_000,
    PREAUTH_KNOWN_TTL_MS: 600_000,
    JWT_JWKS_TIMEOUT_MS: 2000,
    RATE_LIMIT_MAX: 100,
    RATE_LIMIT_WINDOW_MS: 60_000,
    CORS_ORIGINS: [],
    BODY_LIMIT: 1_048_576,
    TRUST_PROXY: [],
    ALLOWED_HOSTS: [],
    PUBLIC_URL: undefined,
    REQUEST_TIMEOUT_MS: 60_000,
    TOKEN_MAX_TTL: 2_592_000,
    MCP_ERAS: ['legacy', 'modern'],
    MCP_SESSIONS: 'off',
    TOOL_POLICY_FILE: undefined,
    LOG_LEVEL: 'info',
    NODE_ENV: 'development'
  })
})

t.test('the settings are frozen', async t => {
  const { config } = readConfig(sound)
  t.ok(Object.isFrozen(config))
  t.ok(Object.isFrozen(config.API_KEYS))
})

const accepted: Array<[string, string, string, unknown]> = [
  ['a free port', 'PORT', '0', 0],
  ['the last port', 'PORT', '65535', 65_535],
  ['white space around a number', 'PORT', ' 8080 ', 8080],
  ['an empty value, which is unset', 'PORT', '', 3000],
  ['white space alone, which is unset', 'PORT', '  ', 3000],
  ['a name', 'HOST', 'Server-1.example', 'server-1.example'],
  ['an IPv4 address', 'HOST', '127.0.0.2', '127.0.0.2'],
  ['an IPv6 address', 'HOST', '::1', '::1'],
  ['an IPv6 address in brackets', 'HOST', '[::1]', '::1'],
  [
    'three keys with spaces and empty entries',
    'API_KEYS',
    ` ${key}1 ,, ${key}2,${key}3, `,
    [`${key}1`, `${key}2`, `${key}3`]
  ],
  ['only commas and spaces, with a secret', 'API_KEYS', ' , ,', []],
  ['no exception', 'PREAUTH_KNOWN_TTL_MS', '0', 0],
  ['the longest window', 'RATE_LIMIT_WINDOW_MS', '2147483647', 2_147_483_647],
  [
    'two origins',
    'CORS_ORIGINS',
    'https://a.example, http://localhost:6274',
    ['https://a.example', 'http://localhost:6274']
  ],
  ['bytes', 'BODY_LIMIT', '65536', 65_536],
  ['kilobytes', 'BODY_LIMIT', '512kb', 524_288],
  ['megabytes in capitals', 'BODY_LIMIT', '2MB', 2_097_152],
  [
    'all ways to name a proxy',
    'TRUST_PROXY',
    'loopback, uniquelocal,10.0.0.5, 192.168.0.0/16, fd00::/8, 2001:db8::1',
    ['loopback', 'uniquelocal', '10.0.0.5', '192.168.0.0/16', 'fd00::/8', '2001:db8::1']
  ],
  [
    'all forms of a host',
    'ALLOWED_HOSTS',
    'MCP.example.com,10.0.0.5:3000, [::1]:3000,[2001:db8::1]',
    ['mcp.example.com', '10.0.0.5:3000', '[::1]:3000', '[2001:db8::1]']
  ],
  ['a base', 'PUBLIC_URL', 'https://mcp.example.com', 'https://mcp.example.com'],
  ['a base with a slash', 'PUBLIC_URL', 'https://mcp.example.com/', 'https://mcp.example.com'],
  ['a base with a path', 'PUBLIC_URL', 'https://example.com/tools/', 'https://example.com/tools'],
  ['http on loopback', 'PUBLIC_URL', 'http://localhost:8080', 'http://localhost:8080'],
  ['http on loopback, IPv6', 'PUBLIC_URL', 'http://[::1]:8080', 'http://[::1]:8080'],
  ['seconds', 'TOKEN_MAX_TTL', '3600', 3600],
  ['hours', 'TOKEN_MAX_TTL', '12h', 43_200],
  ['a level', 'LOG_LEVEL', 'silent', 'silent'],
  ['production', 'NODE_ENV', 'production', 'production']
]
for (const [what, name, text, value] of accepted) {
  t.test(`${name} accepts ${what}`, async t => {
    const { config, problems } = readConfig({ ...sound, [name]: text })
    t.same(problems, [])
    t.same(config[name as keyof typeof config], value)
  })
}

const refused: Array<[string, string, string]> = [
  ['text', 'PORT', 'abc'],
  ['a number with a unit', 'PORT', '3000ms'],
  ['a negative number', 'PORT', '-1'],
  ['a fraction', 'PORT', '3000.5'],
  ['an exponent', 'PORT', '3e3'],
  ['a hexadecimal number', 'PORT', '0xbb8'],
  ['a number above the last port', 'PORT', '65536'],
  ['NaN', 'PORT', 'NaN'],
  ['digits of another script', 'PORT', '٣٠٠٠'],
  ['two ports', 'PORT', '3000,3001'],
  ['a URL', 'HOST', 'http://localhost'],
  ['a host with a port', 'HOST', 'localhost:3000'],
  ['an address with a part missing', 'HOST', '10.0.1'],
  ['an address beyond its range', 'HOST', '999.0.0.1'],
  ['two hosts', 'HOST', 'localhost,127.0.0.1'],
  ['a wildcard', 'HOST', '*'],
  ['a key listed twice', 'API_KEYS', `${key}, ${key}`],
  ['a placeholder among good keys', 'API_KEYS', `${key},change-me`],
  ['a placeholder in capitals', 'API_KEYS', 'CHANGE_ME_PLEASE_NOW'],
  ['the result of a broken template', 'API_KEYS', 'undefined'],
  ['a key with a space inside', 'API_KEYS', 'two words in one long key'],
  ['a key that a header cannot carry', 'API_KEYS', 'schlüssel-und-mehr-als-16'],
  ['the secret of the tokens', 'API_KEYS', 'x'.repeat(40)],
  ['a placeholder', 'JWT_SECRET', 'change-me'],
  ['a long placeholder', 'JWT_SECRET', 'please-change-me-to-something-that-is-long-enough'],
  ['the placeholder of a template', 'JWT_SECRET', '<put at least thirty-two bytes here>'],
  ['a placeholder', 'REQUEST_STATE_KEY', 'change-me-to-thirty-two-characters-or-more'],
  ['under 32 characters', 'REQUEST_STATE_KEY', 's'.repeat(31)],
  ['zero', 'PREAUTH_RATE_LIMIT_MAX', '0'],
  ['infinity', 'PREAUTH_RATE_LIMIT_MAX', 'Infinity'],
  ['zero', 'PREAUTH_RATE_LIMIT_WINDOW_MS', '0'],
  ['a negative number', 'PREAUTH_KNOWN_TTL_MS', '-1'],
  ['zero', 'RATE_LIMIT_MAX', '0'],
  ['zero', 'RATE_LIMIT_WINDOW_MS', '0'],
  ['more than a timer holds', 'RATE_LIMIT_WINDOW_MS', '2147483648'],
  ['every origin', 'CORS_ORIGINS', '*'],
  ['a wildcard inside', 'CORS_ORIGINS', 'https://*.example.com'],
  ['a path', 'CORS_ORIGINS', 'https://a.example/app'],
  ['a slash at the end', 'CORS_ORIGINS', 'https://a.example/'],
  ['null', 'CORS_ORIGINS', 'null'],
  ['no scheme', 'CORS_ORIGINS', 'a.example'],
  ['a default port', 'CORS_ORIGINS', 'https://a.example:443'],
  ['a password', 'CORS_ORIGINS', 'https://user:pass@a.example'],
  ['one bad origin among good ones', 'CORS_ORIGINS', 'https://a.example,https://b.example/'],
  ['no limit', 'BODY_LIMIT', 'unlimited'],
  ['zero', 'BODY_LIMIT', '0'],
  ['zero with a unit', 'BODY_LIMIT', '0kb'],
  ['a negative size', 'BODY_LIMIT', '-1mb'],
  ['a fraction', 'BODY_LIMIT', '1.5mb'],
  ['an unknown unit', 'BODY_LIMIT', '1gb'],
  ['more than a string can contain', 'BODY_LIMIT', '512mb'],
  ['everybody', 'TRUST_PROXY', 'true'],
  ['nobody', 'TRUST_PROXY', 'false'],
  ['a number of hops', 'TRUST_PROXY', '1'],
  ['every IPv4 address', 'TRUST_PROXY', '0.0.0.0/0'],
  ['every IPv6 address', 'TRUST_PROXY', '::/0'],
  ['every IPv4 address written as IPv6', 'TRUST_PROXY', '0:0:0:0:0:ffff:0:0/96'],
  ['an invalid prefix length', 'TRUST_PROXY', '10.0.0.0/33'],
  ['a name', 'TRUST_PROXY', 'proxy.example'],
  ['an address with a port', 'TRUST_PROXY', '10.0.0.5:80'],
  ['true among valid entries', 'TRUST_PROXY', 'loopback,true'],
  ['a URL', 'ALLOWED_HOSTS', 'https://mcp.example.com'],
  ['a path', 'ALLOWED_HOSTS', 'mcp.example.com/mcp'],
  ['every host', 'ALLOWED_HOSTS', '*'],
  ['a wildcard inside', 'ALLOWED_HOSTS', '*.example.com'],
  ['an IPv6 address without brackets', 'ALLOWED_HOSTS', '::1'],
  ['an invalid port', 'ALLOWED_HOSTS', 'mcp.example.com:99999'],
  ['a port of zero', 'ALLOWED_HOSTS', 'mcp.example.com:0'],
  ['an address with a part missing', 'ALLOWED_HOSTS', '10.0.1'],
  ['http beyond loopback', 'PUBLIC_URL', 'http://mcp.example.com'],
  ['a host alone', 'PUBLIC_URL', 'mcp.example.com'],
  ['another scheme', 'PUBLIC_URL', 'ftp://mcp.example.com'],
  ['a query', 'PUBLIC_URL', 'https://mcp.example.com/?a=1'],
  ['an empty query', 'PUBLIC_URL', 'https://mcp.example.com/?'],
  ['a fragment', 'PUBLIC_URL', 'https://mcp.example.com/#a'],
  ['a password', 'PUBLIC_URL', 'https://user:pass@mcp.example.com'],
  ['a name that only begins like loopback', 'PUBLIC_URL', 'http://localhost.example.com'],
  ['a time that is too short', 'JWT_JWKS_TIMEOUT_MS', '99'],
  ['more than ten minutes', 'JWT_JWKS_TIMEOUT_MS', '600001'],
  ['zero', 'REQUEST_TIMEOUT_MS', '0'],
  ['a list without entries', 'MCP_ERAS', ' , '],
  ['a list without entries', 'OAUTH_CLIENTS', ','],
  ['a token that a header cannot carry', 'METRICS_TOKEN', 'schlüssel-'.repeat(4)],
  ['a path with a line break', 'AUDIT_FILE', 'audit.jsonl\nPORT=3000'],
  ['a path with a NUL', 'STATE_DIR', 'state\0'],
  ['zero', 'TOKEN_MAX_TTL', '0'],
  ['an unknown unit', 'TOKEN_MAX_TTL', '1y'],
  ['for ever', 'TOKEN_MAX_TTL', 'never'],
  ['more than ten years', 'TOKEN_MAX_TTL', '3651d'],
  ['an unknown level', 'LOG_LEVEL', 'verbose'],
  ['a misspelt production', 'NODE_ENV', 'prod']
]
for (const [what, name, text] of refused) {
  t.test(`${name} refuses ${what}: ${JSON.stringify(text)}`, async t => {
    const environment = what === 'the secret of the tokens' ? { [name]: text, JWT_SECRET: text } : { [name]: text }
    t.same(faulty(environment), [name])
  })
}

t.test('a key that is also a secret is reported without repeating it', async t => {
  const shared = 'x'.repeat(40)
  for (const [name, others] of [
    ['JWT_SECRET', {}],
    ['JWT_SECRET_PREVIOUS', { JWT_SECRET: secret }],
    ['REQUEST_STATE_KEY', {}],
    ['AUDIT_KEY', {}],
    ['METRICS_TOKEN', {}]
  ] as const) {
    const problems = readConfig({ ...others, API_KEYS: `${key},${shared}`, [name]: shared }).problems.map(
      describeProblem
    )
    t.equal(problems.length, 1)
    t.match(problems[0], new RegExp(`^API_KEYS contains .*${name}; use different secrets`))
    t.notMatch(problems[0], shared)
  }
})

t.test('each invalid entry is named by its position', async t => {
  const { problems } = readConfig({ ...sound, CORS_ORIGINS: '*, https://ok.example, null' })
  t.same(problems.map(({ wrong }) => wrong.slice(0, 8)), ['entry 1 ', 'entry 3 '])
})

t.test('a nearly valid origin is reported with its correct form', async t => {
  const [problem] = readConfig({ ...sound, CORS_ORIGINS: 'https://A.example:443/path' }).problems
  t.match(problem?.right, /https:\/\/a\.example,/)
})

t.test('JWT_SECRET alone is a sufficient credential', async t => {
  t.same(readConfig({ JWT_SECRET: secret }).problems, [])
})

t.test('short keys are accepted on loopback with a warning', async t => {
  const { config, problems, warnings } = readConfig({ API_KEYS: 'key1,key2,key3' })
  t.same(problems, [])
  t.same(config.API_KEYS, ['key1', 'key2', 'key3'])
  t.match(warnings, [/^API_KEYS entries 1, 2, 3 are under 16 characters/])
})

t.test('all problems are reported, one per line, with name and fix', async t => {
  const environment = Object.fromEntries(refused.toReversed().map(([, name, text]) => [name, text]))
  const names = new Set(refused.map(([, name]) => name))
  t.throws(() => loadConfig({ env: environment, dotenv: false }), ConfigError)
  const lines = new ConfigError(readConfig(environment).problems).message.split('\n')
  t.same(new Set(lines.map(line => line.split(' ')[0])), names)
  for (const line of lines) t.match(line, /^[A-Z_]+ .+; .+$/)
})

t.test('problems and warnings contain no values', async t => {
  const canary = 'Zq9canary'
  for (const [, name] of refused) {
    for (const text of [
      canary,
      `change-me-${canary}`,
      `${canary},${canary}`,
      `https://u:${canary}@x.example/${canary}`,
      `${canary} ${canary}`
    ]) {
      const { problems, warnings } = readConfig({ [name]: text, NODE_ENV: 'production' })
      t.notMatch(JSON.stringify([problems.map(describeProblem), warnings]), /canary/i, name)
    }
  }
})

t.test('an empty STATE_KEY is unset', async t => {
  t.same(readConfig({ API_KEYS: 'k'.repeat(32), STATE_KEY: ' ' }).problems, [])
})

t.test('METRICS_PORT may equal PORT only on another address', async t => {
  const problemsOf = (more: Record<string, string>): readonly unknown[] =>
    readConfig({ ...sound, PORT: '3000', METRICS_PORT: '3000', ...more }).problems
  for (const HOST of ['localhost', '0.0.0.0', '::']) {
    const found = problemsOf({ HOST, ALLOWED_HOSTS: 'mcp.example' })
    t.match(found, [{ variable: 'METRICS_PORT', wrong: 'is the same as PORT' }])
  }
  t.same(problemsOf({ HOST: '192.0.2.1', ALLOWED_HOSTS: 'mcp.example' }), [])
  t.same(problemsOf({ METRICS_PORT: '3001' }), [])
})
