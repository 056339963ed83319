/** The environment plugin on a bare Fastify. */
import Fastify, { type FastifyInstance } from 'fastify'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import env, { type EnvOptions } from '../../plugins/env.js'
import { ConfigError, loadConfig } from '../../src/config/load.js'

const sound = { API_KEYS: 'a-key-of-sixteen-or-more', JWT_SECRET: 'a secret of thirty-two bytes or more' }

async function build (t: Test, options: EnvOptions, lines: string[] = []): Promise<FastifyInstance> {
  const app = Fastify({ logger: { level: 'trace', stream: { write: line => { lines.push(line) } } } })
  t.teardown(async () => await app.close())
  await app.register(env, options)
  return app
}

t.test('app.config has the parsed settings', async t => {
  const app = await build(t, {
    env: { ...sound, PORT: '4000', BODY_LIMIT: '2kb', CORS_ORIGINS: 'https://a.example' },
    dotenv: false
  })
  t.match(app.config, { PORT: 4000, BODY_LIMIT: 2048, HOST: 'localhost' })
  t.same(app.config.CORS_ORIGINS, ['https://a.example'])
  t.same(app.config.API_KEYS, [sound.API_KEYS])
  // @ts-expect-error: the type of a setting is that of its parsed value
  const text: string = app.config.PORT
  t.type(text, 'number')
})

t.test('a missing setting is undefined, not an empty secret', async t => {
  const app = await build(t, { env: { API_KEYS: sound.API_KEYS }, dotenv: false })
  t.equal(app.config.JWT_SECRET, undefined)
  t.equal(app.config.PUBLIC_URL, undefined)
})

t.test('app.config contains only settings', async t => {
  const app = await build(t, { env: { ...sound, PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x' }, dotenv: false })
  t.same(Object.keys(app.config).sort(), Object.keys(loadConfig({ env: sound, dotenv: false }).config).sort())
  t.notMatch(JSON.stringify(app.getEnvs()), /AWS|bin/)
})

t.test('app.config is frozen', async t => {
  const app = await build(t, { env: sound, dotenv: false })
  t.throws(() => { Object.assign(app.config, { PORT: 1 }) }, TypeError)
  t.throws(() => { Object.assign(app.config.API_KEYS, { 0: 'mine' }) }, TypeError)
})

t.test('invalid settings stop the start with every problem', async t => {
  const app = Fastify()
  t.teardown(async () => await app.close())
  const error = await app.register(env, { env: { PORT: 'x', BODY_LIMIT: 'y' }, dotenv: false }).then(
    () => null,
    (error: unknown) => error
  )
  t.type(error, ConfigError)
  t.same((error as ConfigError).problems.map(({ variable }) => variable), ['PORT', 'BODY_LIMIT', 'API_KEYS'])
})

t.test('dotenv reads the named file', async t => {
  const path = join(t.testdir({ '.env': `API_KEYS=${sound.API_KEYS}\nPORT=4000\n` }), '.env')
  const app = await build(t, { env: { PORT: '5000' }, dotenv: path })
  t.equal(app.config.PORT, 5000)
  t.same(app.config.API_KEYS, [sound.API_KEYS])
})

t.test('the defaults are process.env and ./.env', async t => {
  const directory = t.testdir({ '.env': `JWT_SECRET=${sound.JWT_SECRET}\n` })
  const before = process.cwd()
  t.teardown(() => { process.chdir(before) })
  process.chdir(directory)
  t.intercept(process, 'env', { value: { API_KEYS: sound.API_KEYS } })
  const app = await build(t, {})
  t.same(app.config.API_KEYS, [sound.API_KEYS])
  t.equal(app.config.JWT_SECRET, sound.JWT_SECRET)
})

t.test('warnings are logged without secrets', async t => {
  const lines: string[] = []
  await build(t, { env: { API_KEYS: 'key1,key2,key3' }, dotenv: false }, lines)
  const warnings = lines
    .map(line => JSON.parse(line) as { level: number; msg: string })
    .filter(({ level }) => level === 40)
  t.equal(warnings.length, 1)
  t.match(warnings[0]?.msg, /^API_KEYS/)
  t.notMatch(lines.join(''), /key1|key2|key3/)
})

t.test('a loaded config is used without repeating warnings', async t => {
  const lines: string[] = []
  const { config } = loadConfig({ env: { API_KEYS: 'key1' }, dotenv: false })
  const app = await build(t, { config, env: { PORT: 'never read' } }, lines)
  t.same(app.config, config)
  t.equal(lines.length, 0)
})

t.test('two apps in one process have separate settings', async t => {
  const one = await build(t, { env: { ...sound, PORT: '1' }, dotenv: false })
  const other = await build(t, { env: { API_KEYS: sound.API_KEYS }, dotenv: false })
  t.equal(one.config.PORT, 1)
  t.equal(other.config.PORT, 3000)
  t.equal(other.config.JWT_SECRET, undefined)
})
