/** The settings in the code match `.env.example` and `docs/configuration.md`. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseDotenv } from '../../src/config/dotenv.js'
import { configSchema, readConfig, variableNames, variables } from '../../src/config/load.js'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

const inCode = variableNames.map(name => [name, variables[name].fallback])
const example = read('.env.example')

/** The lines `#NAME=default` and `NAME=placeholder`. An active line has no `#`. */
const inExample = [...example.matchAll(/^(#?)([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(
  ([, hash, name = '', value = '']) => ({ name, value, active: hash === '' })
)

const inDocs = [
  ...read('docs/configuration.md').matchAll(/^\| `([A-Z][A-Z0-9_]*)` \| (?:`([^`]*)` )?\| (.+) \|$/gm)
].map(([, name = '', value = '']) => [name, value])

t.test('docs/configuration.md lists every setting with its default, in order', async t => {
  t.ok(inCode.length > 0)
  t.same(inDocs, inCode)
})

t.test('.env.example lists every setting once', async t => {
  t.same(inExample.map(({ name }) => name).sort(), [...variableNames].sort())
})

t.test('.env.example shows every default that is not secret, commented out', async t => {
  for (const { name, value, active } of inExample) {
    const row = variables[name as keyof typeof variables]
    if (row.secret) continue
    t.equal(value, row.fallback, name)
    t.notOk(active, name)
  }
})

t.test('.env.example does not start only because of its secrets', async t => {
  const { problems, warnings } = readConfig({}, parseDotenv(example))
  t.same(problems.map(({ variable }) => variable), ['API_KEYS', 'JWT_SECRET'])
  t.same(warnings, [])
})

t.test('.env.example with real secrets starts in production', async t => {
  const edited = example.replace('change-me-api-key', 'k'.repeat(16)).replace('change-me-jwt-secret', 's'.repeat(32))
  const { problems, warnings } = readConfig({ NODE_ENV: 'production' }, parseDotenv(edited))
  t.same(problems, [])
  t.same(warnings, [])
})

t.test('.env.example with every comment removed still uses the defaults', async t => {
  const edited = example
    .replace('change-me-api-key', 'k'.repeat(16))
    .replace('change-me-jwt-secret', 's'.repeat(32))
    .replace(/^#([A-Z_]+=)/gm, '$1')
  const { config, problems } = readConfig({}, parseDotenv(edited))
  t.same(problems, [])
  const { config: plain } = readConfig({ API_KEYS: 'k'.repeat(16), JWT_SECRET: 's'.repeat(32) })
  t.same(config, plain)
})

t.test('every setting has a description and a schema', async t => {
  const { properties } = configSchema()
  t.same(Object.keys(properties), variableNames)
  for (const name of variableNames) t.match(variables[name].description, /^\S.+\.$/, name)
})
