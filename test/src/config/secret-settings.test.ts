/** Settings that are secrets: invalid values, and the .env file that holds them. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig, readConfig, readSettings } from '../../../src/config/load.js'
import { directory } from '../../support/keys.js'

const key = 'a-key-of-sixteen-or-more'
const secret = 'a secret of thirty-two bytes or more'

const quoted: Array<[string, Record<string, string>]> = [
  ['JWT_SECRET', { JWT_SECRET: `"${secret}"` }],
  ['JWT_SECRET', { JWT_SECRET: `'${secret}'` }],
  ['API_KEYS', { API_KEYS: `"${key}"` }],
  ['API_KEYS', { API_KEYS: `"${key},other-key-of-sixteen"` }],
  ['API_KEYS', { API_KEYS: `${key},'other-key-of-sixteen'` }],
  ['JWT_SECRET_PREVIOUS', { JWT_SECRET_PREVIOUS: `"${secret} before"` }],
  ['REQUEST_STATE_KEY', { REQUEST_STATE_KEY: `"${secret}"` }]
]

for (const [variable, settings] of quoted) {
  t.test(`${variable} in quotes is refused: ${Object.values(settings).join().replace(/[\w -]+/g, 'x')}`, async t => {
    const { problems } = readConfig({ API_KEYS: key, JWT_SECRET: `${secret}!`, ...settings })
    t.match(problems, [{ variable, wrong: /in quotes/ }])
    t.equal(problems.length, 1)
  })
}

t.test('a quote inside or at one end of a secret is part of it', async t => {
  for (const value of [`${secret}"`, `"${secret}`, `it's ${secret}`]) {
    t.equal(readConfig({ JWT_SECRET: value }).config.JWT_SECRET, value)
  }
})

t.test(
  'a .env with secrets that others can read or write is warned about',
  { skip: process.geteuid === undefined },
  async t => {
    const path = join(await directory(t), '.env')
    const warningsFor = (text: string, mode: number): readonly string[] => {
      writeFileSync(path, text)
      chmodSync(path, mode)
      return readSettings({ env: { JWT_SECRET: secret }, dotenv: path }).fileWarnings
    }
    const withSecret = `API_KEYS=${key}\n`
    for (const mode of [0o644, 0o604, 0o602]) {
      t.match(warningsFor(withSecret, mode), [/\.env contains secrets.*chmod 600/], mode.toString(8))
    }
    for (const mode of [0o600, 0o640, 0o400]) t.same(warningsFor(withSecret, mode), [], mode.toString(8))
    t.same(warningsFor('PORT=4000\n', 0o644), [], 'the file contains no secret')
  }
)

t.test('a JWT_AUDIENCE that may be a client id is warned about', async t => {
  const provider = { JWT_ISSUER: 'https://id.example.com', PUBLIC_URL: 'https://mcp.example.com' }
  const warningsFor = (more: Record<string, string>): readonly string[] =>
    loadConfig({ env: { ...provider, ...more }, dotenv: false }).warnings
  t.match(warningsFor({ JWT_AUDIENCE: '2d4f-client' }), [/JWT_AUDIENCE .* ID tokens .* JWT_REQUIRE_AT=on/])
  t.match(warningsFor({ JWT_AUDIENCE: 'api://mcp,2d4f-client' }), [/JWT_AUDIENCE/])
  for (const quiet of [
    {},
    { JWT_AUDIENCE: 'https://other.example.com' },
    { JWT_AUDIENCE: 'api://2d4f,urn:mcp' },
    { JWT_AUDIENCE: '2d4f', JWT_REQUIRE_AT: 'on' }
  ]) {
    t.same(warningsFor(quiet), [], JSON.stringify(quiet))
  }
})

t.test('rules for provider tokens are refused without a provider', async t => {
  for (const more of [{ JWT_REQUIRE_AT: 'on' }, { JWT_AUDIENCE_CLAIM: 'client_id' }]) {
    t.match(readConfig({ API_KEYS: key, ...more }).problems, [
      { variable: Object.keys(more)[0], wrong: 'is set without JWT_ISSUER' }
    ])
  }
})
