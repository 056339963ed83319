/** The .env file: precedence, misspelled names and unreadable lines. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDotenv } from '../../../src/config/dotenv.js'
import { ConfigError, loadConfig, readConfig, readSettings } from '../../../src/config/load.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'
const sound = { API_KEYS: key, JWT_SECRET: secret }

t.test('a setting that .env sets twice is warned about', async t => {
  const text = 'PORT=1\nexport PORT = 2\nHOST=localhost\nX=1\nX=2\n# PORT=3\n'
  const { config, warnings } = readConfig(sound, parseDotenv(text))
  t.equal(config.PORT, 2)
  t.match(warnings.filter(text => /more than once/.test(text)), [/^\.env sets PORT more than once; only the last/])
  t.same(readConfig({}, parseDotenv(`API_KEYS="${key},\nAPI_KEYS=${key}2"\n`)).warnings, [])
})

t.test('the environment takes precedence over .env unless it is empty', async t => {
  const file = parseDotenv(`API_KEYS=${key}\nPORT=4000\nLOG_LEVEL=debug\n`)
  const { config, sources } = readConfig({ PORT: '5000', LOG_LEVEL: '' }, file)
  t.match(config, { PORT: 5000, LOG_LEVEL: 'debug', API_KEYS: [key] })
  t.match(sources, { PORT: 'environment', LOG_LEVEL: '.env', API_KEYS: '.env', HOST: 'default' })
})

t.test('unknown names are warned about in .env, not in the environment', async t => {
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
    `${name} in .env is reported as a typing error of ${meant}`,
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

t.test('a name with two edits is not matched to a setting', async t => {
  for (const name of ['PRTO1', 'API_KE', 'HOSTNAME', 'A']) {
    t.notMatch(readConfig(sound, parseDotenv(`${name}=1\n`)).warnings.join(), /did you mean/, name)
  }
})

t.test('a secret on its own line is not printed as a name', async t => {
  const { warnings } = readConfig(sound, parseDotenv('JBSWY3DPEHPK3PXPJBSWY3DP=\n'))
  t.equal(warnings.length, 1)
  t.notMatch(warnings[0], /JBSW/)
})

t.test('names of Object.prototype in .env are ordinary names', async t => {
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
  t.test(`a line in .env with ${what} stops the start`, async t => {
    const { problems } = readConfig({}, parseDotenv(text))
    t.equal(problems[0]?.variable, '.env')
    t.match(problems[0]?.wrong, `(line ${line})`)
  })
}

for (const [what, text] of [
  ['another quote closes it', `JWT_SECRET="${secret}\nNODE_ENV=production\nMINT_POLICY=off\nOAUTH_SCOPES="a,b"\n`],
  ['nothing closes it', `JWT_SECRET="${secret}\nNODE_ENV=production\n`],
  ['blanks stand before it', `JWT_SECRET =  '${secret}\n`],
  ['it is escaped, which .env does not support', `JWT_SECRET="a\\"${secret}"\n`],
  ['text follows the closing quote', `JWT_SECRET="${secret}"NODE_ENV=production\n`],
  ['a space and text follow the closing quote', `export JWT_SECRET=\`${secret}\` NODE_ENV=production\n`]
] as const) {
  t.test(`a quote in .env stops the start if ${what}`, async t => {
    const { problems } = readConfig({}, parseDotenv(`# first\n${text}`))
    t.match(problems[0], { variable: '.env', wrong: /^has an unclosed quote.* \(line 2\)$/ })
    t.notOk(JSON.stringify(problems).includes(secret))
  })
}

t.test('a multi-line secret stops the start, a multi-line list does not', async t => {
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
  ['another kind of quote within quotes', `OTHER="it's"\nAPI_KEYS=${key}\n`],
  ['a value of two lines', `OTHER="one\nAPI_KEYS=two"\nAPI_KEYS=${key}\n`],
  ['spaces around its parts', `  API_KEYS = ${key}  \n\t# a comment\n`],
  ['no line end', `API_KEYS=${key}`],
  ['only that after empty lines', `\n\n  \nAPI_KEYS=${key}\n\n`],
  ['an empty value before', `JWT_SECRET=\nAPI_KEYS=${key}\n`]
] as const) {
  t.test(`a .env with ${what} is read`, async t => {
    const { config, problems } = readConfig({}, parseDotenv(text))
    t.same(problems, [])
    t.same(config.API_KEYS, [key])
  })
}

t.test('dotenv reads a path, and a missing file is allowed', async t => {
  const path = join(t.testdir({ '.env': `API_KEYS=${key}\nPORT=4000\n` }), '.env')
  t.equal(loadConfig({ env: {}, dotenv: path }).config.PORT, 4000)
  t.equal(loadConfig({ env: sound, dotenv: `${path}.missing` }).config.PORT, 3000)
  t.throws(() => loadConfig({ env: {}, dotenv: false }), ConfigError)
})

t.test('an unreadable .env stops the start', async t => {
  const directory = t.testdir()
  mkdirSync(join(directory, '.env'))
  const { problems } = readSettings({ env: sound, dotenv: join(directory, '.env') })
  t.match(problems, [{ variable: '.env', wrong: /EISDIR/ }])
})

t.test('the file is read again each time', async t => {
  const path = join(t.testdir({ '.env': `API_KEYS=${key}\nPORT=4000\n` }), '.env')
  t.equal(loadConfig({ env: {}, dotenv: path }).config.PORT, 4000)
  writeFileSync(path, `API_KEYS=${key}\nPORT=4001\n`)
  t.equal(loadConfig({ env: {}, dotenv: path }).config.PORT, 4001)
})
