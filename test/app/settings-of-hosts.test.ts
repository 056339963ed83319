/** A host that registers `mcpAuth` with the settings of the service (`mcpAuthOptions`). */
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { loadConfig, mcpAuth, type McpAuthOptions, mcpAuthOptions, OperatorError } from '../../src/index.js'
import { addKey, keyFile } from '../support/keys.js'
import { adaKey, initialize, post, rpc } from '../support/service.js'
import { credentialOfTests } from '../support/witness.js'

async function host (
  t: Test,
  env: Record<string, string>,
  more: McpAuthOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  const { config } = loadConfig({ env, dotenv: false })
  await app.register(mcpAuth, { ...mcpAuthOptions(config, { env }), stateDir: undefined, ...more })
  return app
}

t.test('mcpAuthOptions turns settings into options: keys, hosts, limits, names', async t => {
  const path = await keyFile(t)
  const { key } = await addKey(path)
  const app = await host(t, {
    API_KEYS_FILE: path,
    HOST: '0.0.0.0',
    PUBLIC_URL: 'https://mcp.example.com',
    RATE_LIMIT_MAX: '7',
    SERVER_NAME: 'com.example/notes'
  })
  const headers = { 'x-api-key': credentialOfTests(key), host: 'mcp.example.com' }
  const answer = await post(app, initialize(), headers)
  t.equal(answer.status, 200)
  t.match(answer.body.result.serverInfo, { name: 'com.example/notes' })
  t.match(answer.headers, { 'ratelimit-policy': /q=7|7;w=/ })
  t.equal((await post(app, rpc('ping'), { ...headers, host: 'localhost' })).status, 403, 'HOST is beyond loopback')
  t.equal((await post(app, rpc('ping'), { ...headers, 'x-api-key': adaKey })).status, 401)
})

t.test('options after mcpAuthOptions take precedence', async t => {
  const env = { API_KEYS: adaKey, SERVER_NAME: 'of.settings/a' }
  const app = await host(t, env, { info: { name: 'of-code', version: '2' }, path: '/other' })
  const { body } = await post(app, initialize(), { 'x-api-key': adaKey }, '/other')
  t.match(body.result.serverInfo, { name: 'of-code' })
})

t.test('an unusable file in a setting is a ConfigError with one sentence', async t => {
  const directory = t.testdir({ 'bad.json': '{', 'policies.json': '{"tools":{"a":{"rate":1}}}' })
  for (const [name, file, says] of [
    ['TOOL_POLICY_FILE', 'policies.json', /^TOOL_POLICY_FILE .+; write it as docs\/tools\.md shows$/],
    ['JWT_ISSUERS_FILE', 'bad.json', /^JWT_ISSUERS_FILE .+; write it as docs\/oauth\.md shows$/],
    ['UPSTREAMS_FILE', 'bad.json', /^UPSTREAMS_FILE .+; write it as docs\/proxy\.md shows$/]
  ] as const) {
    const { config } = loadConfig({ env: { API_KEYS: adaKey, [name]: `${directory}/${file}` }, dotenv: false })
    t.throws(() => mcpAuthOptions(config), { name: 'ConfigError', message: says })
  }
})

t.test('a key file that does not exist stops the registration with an OperatorError', async t => {
  const error: unknown = await host(t, { API_KEYS_FILE: `${t.testdir({})}/none.json` }).catch((reason: unknown) => reason)
  t.ok(error instanceof OperatorError)
  t.match(error, { message: /none\.json/ })
})
