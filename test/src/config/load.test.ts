/** What each setting takes and refuses, and what the operator is told of it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDotenv } from '../../../src/config/dotenv.js'
import {
  ConfigError,
  describeProblem,
  endpointOf,
  isLoopback,
  loadConfig,
  readConfig,
  readSettings
} from '../../../src/config/load.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'
const sound = { API_KEYS: key, JWT_SECRET: secret }

/** The variables that are reported for `environment` on top of two good secrets. */
function faulty (environment: Record<string, string>): string[] {
  return readConfig({ ...sound, ...environment }).problems.map(({ variable }) => variable)
}

t.test('with a key alone everything else has its default', async t => {
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

t.test('a configuration cannot be changed', async t => {
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
  ['no key but commas and spaces, beside a secret', 'API_KEYS', ' , ,', []],
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
  t.test(`${name} takes ${what}`, async t => {
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
  ['what a broken template leaves', 'API_KEYS', 'undefined'],
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
  ['a unit it does not know', 'BODY_LIMIT', '1gb'],
  ['more than one string can hold', 'BODY_LIMIT', '512mb'],
  ['everybody', 'TRUST_PROXY', 'true'],
  ['nobody', 'TRUST_PROXY', 'false'],
  ['a number of hops', 'TRUST_PROXY', '1'],
  ['every IPv4 address', 'TRUST_PROXY', '0.0.0.0/0'],
  ['every IPv6 address', 'TRUST_PROXY', '::/0'],
  ['every IPv4 address written as IPv6', 'TRUST_PROXY', '0:0:0:0:0:ffff:0:0/96'],
  ['a prefix length that is none', 'TRUST_PROXY', '10.0.0.0/33'],
  ['a name', 'TRUST_PROXY', 'proxy.example'],
  ['an address with a port', 'TRUST_PROXY', '10.0.0.5:80'],
  ['true among good ones', 'TRUST_PROXY', 'loopback,true'],
  ['a URL', 'ALLOWED_HOSTS', 'https://mcp.example.com'],
  ['a path', 'ALLOWED_HOSTS', 'mcp.example.com/mcp'],
  ['every host', 'ALLOWED_HOSTS', '*'],
  ['a wildcard inside', 'ALLOWED_HOSTS', '*.example.com'],
  ['an IPv6 address without brackets', 'ALLOWED_HOSTS', '::1'],
  ['a port that is none', 'ALLOWED_HOSTS', 'mcp.example.com:99999'],
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
  ['zero', 'REQUEST_TIMEOUT_MS', '0'],
  ['zero', 'TOKEN_MAX_TTL', '0'],
  ['a unit it does not know', 'TOKEN_MAX_TTL', '1y'],
  ['for ever', 'TOKEN_MAX_TTL', 'never'],
  ['more than ten years', 'TOKEN_MAX_TTL', '3651d'],
  ['a level it does not know', 'LOG_LEVEL', 'verbose'],
  ['a misspelt production', 'NODE_ENV', 'prod']
]
for (const [what, name, text] of refused) {
  t.test(`${name} refuses ${what}: ${JSON.stringify(text)}`, async t => {
    const environment = what === 'the secret of the tokens' ? { [name]: text, JWT_SECRET: text } : { [name]: text }
    t.same(faulty(environment), [name])
  })
}

t.test('a key that is a secret of the server, too, is named by what it is, and not repeated', async t => {
  const shared = 'x'.repeat(40)
  for (const [name, others] of [
    ['JWT_SECRET', {}],
    ['JWT_SECRET_PREVIOUS', { JWT_SECRET: secret }],
    ['REQUEST_STATE_KEY', {}]
  ] as const) {
    const problems = readConfig({ ...others, API_KEYS: `${key},${shared}`, [name]: shared }).problems.map(
      describeProblem
    )
    t.equal(problems.length, 1)
    t.match(problems[0], new RegExp(`^API_KEYS contains .*${name}; use different secrets`))
    t.notMatch(problems[0], shared)
  }
})

t.test('every entry that is wrong is named by its place', async t => {
  const { problems } = readConfig({ ...sound, CORS_ORIGINS: '*, https://ok.example, null' })
  t.same(problems.map(({ wrong }) => wrong.slice(0, 8)), ['entry 1 ', 'entry 3 '])
})

t.test('an origin that is almost right is shown its right form', async t => {
  const [problem] = readConfig({ ...sound, CORS_ORIGINS: 'https://A.example:443/path' }).problems
  t.match(problem?.right, /https:\/\/a\.example,/)
})

for (const [what, environment] of [
  ['nothing', {}],
  ['empty values', { API_KEYS: '', JWT_SECRET: '' }],
  ['only spaces and commas', { API_KEYS: ' , ,, ' }],
  ['white space', { API_KEYS: ' ', JWT_SECRET: '\t ' }]
] as const) {
  t.test(`a server with ${what} for credentials does not start`, async t => {
    const { problems } = readConfig(environment)
    t.equal(problems.length, 1)
    t.match(problems.map(describeProblem).join(), /API_KEYS.*JWT_SECRET/)
  })
}

t.test('a secret alone is a credential method', async t => {
  t.same(readConfig({ JWT_SECRET: secret }).problems, [])
})

t.test('the keys key1,key2,key3 work on a laptop, with a warning', async t => {
  const { config, problems, warnings } = readConfig({ API_KEYS: 'key1,key2,key3' })
  t.same(problems, [])
  t.same(config.API_KEYS, ['key1', 'key2', 'key3'])
  t.match(warnings, [/^API_KEYS entries 1, 2, 3 are under 16 characters/])
})

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
  t.test(`a weak key and a weak secret ${starts ? 'are warned about' : 'stop the start'} ${where}`, async t => {
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
  t.test(`a key of 16 characters and a secret of 32 bytes are silent ${where}`, async t => {
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

t.test('beyond loopback a Host that nobody checks is warned about once', async t => {
  t.match(readConfig({ ...sound, HOST: '0.0.0.0' }).warnings, [/PUBLIC_URL nor ALLOWED_HOSTS/])
  t.same(readConfig({ ...sound, HOST: '0.0.0.0', PUBLIC_URL: 'https://mcp.example.com' }).warnings, [])
  t.same(readConfig({ ...sound, HOST: '0.0.0.0', ALLOWED_HOSTS: 'mcp.example.com' }).warnings, [])
})

t.test('a public URL that already names the endpoint is warned about', async t => {
  t.match(readConfig({ ...sound, PUBLIC_URL: 'https://mcp.example.com/mcp' }).warnings, [/^PUBLIC_URL/])
})

t.test('all problems come at once, one a line, each with its name and the right form', async t => {
  const environment = Object.fromEntries(refused.toReversed().map(([, name, text]) => [name, text]))
  const names = new Set(refused.map(([, name]) => name))
  t.throws(() => loadConfig({ env: environment, dotenv: false }), ConfigError)
  const lines = new ConfigError(readConfig(environment).problems).message.split('\n')
  t.same(new Set(lines.map(line => line.split(' ')[0])), names)
  for (const line of lines) t.match(line, /^[A-Z_]+ .+; .+$/)
})

t.test('no value of any setting stands in a problem or a warning', async t => {
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

t.test('the environment wins over .env, where it says something', async t => {
  const file = parseDotenv(`API_KEYS=${key}\nPORT=4000\nLOG_LEVEL=debug\n`)
  const { config, sources } = readConfig({ PORT: '5000', LOG_LEVEL: '' }, file)
  t.match(config, { PORT: 5000, LOG_LEVEL: 'debug', API_KEYS: [key] })
  t.match(sources, { PORT: 'environment', LOG_LEVEL: '.env', API_KEYS: '.env', HOST: 'default' })
})

t.test('a name in .env that is not a setting is warned about, one in the environment is not', async t => {
  const { problems, warnings } = readConfig({ ...sound, SHELL_THING: '1' }, parseDotenv('RATE_LIMIT=3\nport=1\n'))
  t.same(problems, [])
  t.match(warnings, [/RATE_LIMIT/, /port, .* PORT/])
})

for (const [name, meant] of [
  ['API_KEY', 'API_KEYS'],
  ['API_KEYSS', 'API_KEYS'],
  ['API-KEYS', 'API_KEYS'],
  ['API_KYES', 'API_KEYS'],
  ['PI_KEYS', 'API_KEYS'],
  ['api_key', 'API_KEYS'],
  ['POTR', 'PORT'],
  ['JWT_SECRETS', 'JWT_SECRET'],
  ['XPORT', 'PORT']
] as const) {
  t.test(
    `${name} in .env is taken for a typing error of ${meant}, and named where the start is refused`,
    async t => {
      const path = join(t.testdir({ '.env': `${name}=canary\n` }), '.env')
      t.match(readSettings({ env: sound, dotenv: path }).warnings, [
        new RegExp(`sets ${name}, .*; did you mean ${meant}\\?$`)
      ])
      t.throws(() => loadConfig({ env: {}, dotenv: path }), {
        message: new RegExp(`^Warning: .env sets ${name}.*did you mean ${meant}.*\nAPI_KEYS is not set, .*$`)
      })
    }
  )
}

t.test('a name that is two edits away is like no setting', async t => {
  for (const name of ['PRTO1', 'API_KE', 'HOSTNAME', 'A']) {
    t.notMatch(readConfig(sound, parseDotenv(`${name}=1\n`)).warnings.join(), /did you mean/, name)
  }
})

t.test('without a credential the problem names each setting that would be one', async t => {
  const [problem] = readConfig({}).problems
  for (const name of ['API_KEYS', 'JWT_SECRET', 'API_KEYS_FILE', 'JWT_ISSUER', 'init']) {
    t.match(problem && describeProblem(problem), new RegExp(`\\b${name}\\b`))
  }
})

t.test('a secret on a line of its own is not taken for a name to print', async t => {
  const { warnings } = readConfig(sound, parseDotenv('JBSWY3DPEHPK3PXPJBSWY3DP=\n'))
  t.equal(warnings.length, 1)
  t.notMatch(warnings[0], /JBSW/)
})

t.test('names of the object prototype in .env are names like any other', async t => {
  const { config, warnings } = readConfig(sound, parseDotenv('toString=1\nconstructor=2\n'))
  t.equal(config.PORT, 3000)
  t.equal(warnings.length, 2)
})

for (const [what, text, line] of [
  ['no =', `# a comment\nPORT 3000\nAPI_KEYS=${key}\n`, 2],
  ['no =, at the end', `API_KEYS=${key}\n\nsomething`, 3],
  ['a space in its name', `MY PORT=3000\nAPI_KEYS=${key}\n`, 1],
  ['no name', `API_KEYS=${key}\n=3000\n`, 2],
  ['no =, behind a value of three lines', `A="one\n two\nthree"\nPORT 3000\nAPI_KEYS=${key}\n`, 4]
] as const) {
  t.test(`a line in .env with ${what} stops the start instead of being passed over`, async t => {
    const { problems } = readConfig({}, parseDotenv(text))
    t.equal(problems[0]?.variable, '.env')
    t.match(problems[0]?.wrong, `(line ${line})`)
  })
}

for (const [what, text] of [
  ['another one closes it', `JWT_SECRET="${secret}\nNODE_ENV=production\nMINT_POLICY=off\nOAUTH_SCOPES="a,b"\n`],
  ['nothing closes it', `JWT_SECRET="${secret}\nNODE_ENV=production\n`],
  ['blanks stand before it', `JWT_SECRET =  '${secret}\n`],
  ['it is escaped, which .env does not know', `JWT_SECRET="a\\"${secret}"\n`],
  ['text follows on its closing one', `JWT_SECRET="${secret}"NODE_ENV=production\n`],
  ['text follows a blank behind its closing one', `export JWT_SECRET=\`${secret}\` NODE_ENV=production\n`]
] as const) {
  t.test(`a quote in .env stops the start where ${what}`, async t => {
    const { problems } = readConfig({}, parseDotenv(`# first\n${text}`))
    t.match(problems[0], { variable: '.env', wrong: /^has an unclosed quote.* \(line 2\)$/ })
    t.notOk(JSON.stringify(problems).includes(secret))
  })
}

t.test('a secret of more than one line stops the start, a list over several lines does not', async t => {
  for (const name of ['JWT_SECRET', 'JWT_SECRET_PREVIOUS', 'REQUEST_STATE_KEY']) {
    t.match(
      readConfig({ API_KEYS: key, JWT_SECRET: secret, [name]: `${secret}-1\nPORT=${'3'.repeat(32)}` })
        .problems,
      [{ variable: name, wrong: 'contains a line break' }]
    )
  }
  t.same(readConfig({}, parseDotenv(`API_KEYS="${key},\n  ${key}2"\n`)).problems, [])
})

for (const [what, text] of [
  ['a byte order mark', `\uFEFFAPI_KEYS=${key}\n`],
  ['line ends of Windows', `PORT=3000\r\nAPI_KEYS=${key}\r\n`],
  ['quotes', `API_KEYS="${key}"\n`],
  ['export', `export API_KEYS=${key}\n`],
  ['a comment behind the value', `API_KEYS=${key} # mine\n`],
  ['a comment behind quotes', `API_KEYS="${key}" # mine, "with quotes"\n`],
  ['a quote within a value', `OTHER=it's\nAPI_KEYS=${key}\n`],
  ['a quote of another kind within quotes', `OTHER="it's"\nAPI_KEYS=${key}\n`],
  ['a value of two lines', `OTHER="one\nAPI_KEYS=two"\nAPI_KEYS=${key}\n`],
  ['spaces around its parts', `  API_KEYS = ${key}  \n\t# a comment\n`],
  ['no line end', `API_KEYS=${key}`],
  ['nothing but that behind blank lines', `\n\n  \nAPI_KEYS=${key}\n\n`],
  ['an empty value before', `JWT_SECRET=\nAPI_KEYS=${key}\n`]
] as const) {
  t.test(`a .env with ${what} is read`, async t => {
    const { config, problems } = readConfig({}, parseDotenv(text))
    t.same(problems, [])
    t.same(config.API_KEYS, [key])
  })
}

t.test('a .env that is there is read from its path, a missing one is no problem', async t => {
  const path = join(t.testdir({ '.env': `API_KEYS=${key}\nPORT=4000\n` }), '.env')
  t.equal(loadConfig({ env: {}, dotenv: path }).config.PORT, 4000)
  t.equal(loadConfig({ env: sound, dotenv: `${path}.missing` }).config.PORT, 3000)
  t.throws(() => loadConfig({ env: {}, dotenv: false }), ConfigError)
})

t.test('a .env that cannot be read stops the start', async t => {
  const directory = t.testdir()
  mkdirSync(join(directory, '.env'))
  const { problems } = readSettings({ env: sound, dotenv: join(directory, '.env') })
  t.match(problems, [{ variable: '.env', wrong: /EISDIR/ }])
})

t.test('the file is read anew each time', async t => {
  const path = join(t.testdir({ '.env': `API_KEYS=${key}\nPORT=4000\n` }), '.env')
  t.equal(loadConfig({ env: {}, dotenv: path }).config.PORT, 4000)
  writeFileSync(path, `API_KEYS=${key}\nPORT=4001\n`)
  t.equal(loadConfig({ env: {}, dotenv: path }).config.PORT, 4001)
})

for (const [environment, port, endpoint] of [
  [{}, undefined, 'http://localhost:3000/mcp'],
  [{ PORT: '0' }, 4711, 'http://localhost:4711/mcp'],
  [{ HOST: '0.0.0.0' }, undefined, 'http://localhost:3000/mcp'],
  [{ HOST: '::1' }, undefined, 'http://[::1]:3000/mcp'],
  [{ HOST: '10.0.0.5', PORT: '80' }, undefined, 'http://10.0.0.5:80/mcp'],
  [{ PUBLIC_URL: 'https://example.com/tools/' }, undefined, 'https://example.com/tools/mcp']
] as const) {
  t.test(`${JSON.stringify(environment)} is called at ${endpoint}`, async t => {
    t.equal(endpointOf(readConfig({ ...sound, ...environment }).config, port), endpoint)
  })
}

t.test('loopback is what only this machine can reach', async t => {
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

const issuer = 'https://id.example.com/realms/team'

t.test('an identity provider is enough to start with', async t => {
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

t.test('an issuer is kept to the letter', async t => {
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
  ['former secrets with the one of today', { JWT_SECRET_PREVIOUS: secret }, 'JWT_SECRET_PREVIOUS'],
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

t.test('former secrets need one of today', async t => {
  t.same(
    readConfig({ API_KEYS: key, JWT_SECRET_PREVIOUS: secret }).problems.map(({ variable }) => variable),
    ['JWT_SECRET_PREVIOUS']
  )
})

t.test('former secrets may hold what a secret may hold', async t => {
  const { config, problems } = readConfig({
    ...sound,
    JWT_SECRET_PREVIOUS: 'a former secret, with spaces and more than that ü'
  })
  t.same(problems, [])
  t.same(config.JWT_SECRET_PREVIOUS, ['a former secret', 'with spaces and more than that ü'])
})

t.test('a secret with a comma is warned about: it could not be rotated', async t => {
  const { problems, warnings } = readConfig({ JWT_SECRET: `${'s'.repeat(16)},${'t'.repeat(16)}` })
  t.same(problems, [])
  t.match(warnings, [/^JWT_SECRET .*comma.*JWT_SECRET_PREVIOUS/])
})

t.test('on a port that nobody knows yet an issuer needs a name of ours', async t => {
  const { problems } = readConfig({ JWT_ISSUER: issuer, PORT: '0' })
  t.match(problems, [{ variable: 'JWT_ISSUER', wrong: /PUBLIC_URL nor JWT_AUDIENCE/, right: /PUBLIC_URL/ }])
  t.same(readConfig({ JWT_ISSUER: issuer, PORT: '0', JWT_AUDIENCE: 'team' }).problems, [])
})

t.test('on loopback an issuer without a name of ours is warned about', async t => {
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

t.test('an empty STATE_KEY is unset', async t => {
  t.same(readConfig({ API_KEYS: 'k'.repeat(32), STATE_KEY: ' ' }).problems, [])
})
