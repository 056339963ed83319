/** Settings of identity providers, and previous secrets. */
import t from 'tap'
import { describeProblem, readConfig } from '../../../src/config/load.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'
const sound = { API_KEYS: key, JWT_SECRET: secret }

/** Returns the variables reported for `environment` and two valid secrets. */
function faulty (environment: Record<string, string>): string[] {
  return readConfig({ ...sound, ...environment }).problems.map(({ variable }) => variable)
}

const issuer = 'https://id.example.com/realms/team'

t.test('JWT_ISSUER alone is enough to start', async t => {
  const { problems, warnings, config } = readConfig({ JWT_ISSUER: issuer, PUBLIC_URL: 'https://mcp.example.com' })
  t.same(problems, [])
  t.same(warnings, [])
  t.match(config, {
    JWT_ISSUER: issuer,
    JWT_JWKS_URL: undefined,
    JWT_AUDIENCE: [],
    JWT_ROLES_CLAIM: undefined,
    JWT_ADMIN_ROLE: 'admin',
    JWT_SCOPES_CLAIM: undefined,
    OAUTH_SCOPES: [],
    JWT_CLOCK_TOLERANCE: 0
  })
})

t.test('JWT_ISSUER is kept exactly', async t => {
  for (const exact of ['https://tenant.example.com/', 'https://ID.example.com', 'http://localhost:8080/realms/team']) {
    t.equal(readConfig({ ...sound, JWT_ISSUER: exact }).config.JWT_ISSUER, exact)
  }
})

for (const [what, environment, variable] of [
  ['an issuer by http from afar', { JWT_ISSUER: 'http://id.example.com' }, 'JWT_ISSUER'],
  ['an issuer without a scheme', { JWT_ISSUER: 'id.example.com' }, 'JWT_ISSUER'],
  ['an issuer with a query', { JWT_ISSUER: `${issuer}?x=1` }, 'JWT_ISSUER'],
  ['an issuer with a fragment', { JWT_ISSUER: `${issuer}#` }, 'JWT_ISSUER'],
  ['an issuer with a password', { JWT_ISSUER: 'https://user:password@id.example.com' }, 'JWT_ISSUER'],
  ['a host that only begins like loopback', { JWT_ISSUER: 'http://localhost.example.com' }, 'JWT_ISSUER'],
  [
    'keys by http from afar',
    { JWT_ISSUER: issuer, JWT_JWKS_URL: 'http://id.example.com/jwks' },
    'JWT_JWKS_URL'
  ],
  ['keys in a file', { JWT_ISSUER: issuer, JWT_JWKS_URL: 'file:///jwks.json' }, 'JWT_JWKS_URL'],
  ['keys without an issuer', { JWT_JWKS_URL: 'https://id.example.com/jwks' }, 'JWT_JWKS_URL'],
  ['a claim without an issuer', { JWT_ROLES_CLAIM: 'roles' }, 'JWT_ROLES_CLAIM'],
  ['a claim that ends in a dot', { JWT_ISSUER: issuer, JWT_ROLES_CLAIM: 'roles.' }, 'JWT_ROLES_CLAIM'],
  ['a claim with a space', { JWT_ISSUER: issuer, JWT_SCOPES_CLAIM: 'a b' }, 'JWT_SCOPES_CLAIM'],
  ['an audience with a space', { JWT_AUDIENCE: 'a b' }, 'JWT_AUDIENCE'],
  ['a scope with a quote', { OAUTH_SCOPES: 'a"b' }, 'OAUTH_SCOPES'],
  ['the scope of refresh tokens', { OAUTH_SCOPES: 'mcp:tools,offline_access' }, 'OAUTH_SCOPES'],
  ['a tolerance of an hour', { JWT_CLOCK_TOLERANCE: '3600' }, 'JWT_CLOCK_TOLERANCE'],
  ['a tolerance with a unit', { JWT_CLOCK_TOLERANCE: '5s' }, 'JWT_CLOCK_TOLERANCE'],
  [
    'an issuer beyond loopback without a name of ours',
    { JWT_ISSUER: issuer, HOST: '0.0.0.0', ALLOWED_HOSTS: 'mcp.example.com' },
    'JWT_ISSUER'
  ],
  ['former secrets with a placeholder', { JWT_SECRET_PREVIOUS: 'change-me' }, 'JWT_SECRET_PREVIOUS'],
  ['previous secrets that include the current one', { JWT_SECRET_PREVIOUS: secret }, 'JWT_SECRET_PREVIOUS'],
  [
    'a former secret listed twice',
    { JWT_SECRET_PREVIOUS: `${key}-${key},${key}-${key}` },
    'JWT_SECRET_PREVIOUS'
  ],
  [
    'a weak former secret in production',
    { JWT_SECRET_PREVIOUS: 's'.repeat(31), NODE_ENV: 'production' },
    'JWT_SECRET_PREVIOUS'
  ],
  ['a former secret that is a key', { JWT_SECRET_PREVIOUS: `${key},${'s'.repeat(32)}` }, 'API_KEYS']
] as const) {
  t.test(`${what} stops the start`, async t => {
    t.same(faulty(environment), [variable])
  })
}

t.test('JWT_SECRET_PREVIOUS requires JWT_SECRET', async t => {
  t.same(
    readConfig({ API_KEYS: key, JWT_SECRET_PREVIOUS: secret }).problems.map(({ variable }) => variable),
    ['JWT_SECRET_PREVIOUS']
  )
})

t.test('JWT_SECRET_PREVIOUS accepts every character of a secret', async t => {
  const { config, problems } = readConfig({
    ...sound,
    JWT_SECRET_PREVIOUS: 'a former secret, with spaces and more than that ü'
  })
  t.same(problems, [])
  t.same(config.JWT_SECRET_PREVIOUS, ['a former secret', 'with spaces and more than that ü'])
})

t.test('a JWT_SECRET with a comma is warned about', async t => {
  const { problems, warnings } = readConfig({ JWT_SECRET: `${'s'.repeat(16)},${'t'.repeat(16)}` })
  t.same(problems, [])
  t.match(warnings, [/^JWT_SECRET .*comma.*JWT_SECRET_PREVIOUS/])
})

t.test('JWT_ISSUER with PORT=0 requires PUBLIC_URL or JWT_AUDIENCE', async t => {
  const { problems } = readConfig({ JWT_ISSUER: issuer, PORT: '0' })
  t.match(problems, [{ variable: 'JWT_ISSUER', wrong: /PUBLIC_URL nor JWT_AUDIENCE/, right: /PUBLIC_URL/ }])
  t.same(readConfig({ JWT_ISSUER: issuer, PORT: '0', JWT_AUDIENCE: 'team' }).problems, [])
})

t.test('JWT_ISSUER on loopback without PUBLIC_URL is warned about', async t => {
  const { problems, warnings } = readConfig({ JWT_ISSUER: issuer })
  t.same(problems, [])
  t.match(warnings, [/^JWT_ISSUER .*PUBLIC_URL.*JWT_AUDIENCE/])
})

for (const [where, environment, file] of [
  ['the environment', { STATE_KEY: 's'.repeat(40) }, {}],
  ['.env', {}, { STATE_KEY: 's'.repeat(40) }],
  ['.env beside the new name', { REQUEST_STATE_KEY: 'r'.repeat(40) }, { STATE_KEY: 's'.repeat(40) }]
] as const) {
  t.test(`STATE_KEY, the old name of REQUEST_STATE_KEY, in ${where} stops the start`, async t => {
    const { problems, warnings } = readConfig(
      { API_KEYS: 'k'.repeat(32), ...environment },
      { values: file, faults: [] }
    )
    t.same(problems.map(describeProblem), [
      'STATE_KEY has been renamed; set REQUEST_STATE_KEY instead, and remove STATE_KEY'
    ])
    t.same(warnings, [])
  })
}
