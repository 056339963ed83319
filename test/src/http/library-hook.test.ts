/** `hookOf` takes one hook of a Fastify plugin, and refuses plugins that add anything else. */
import fastifyCors from '@fastify/cors'
import Fastify, { type FastifyPluginCallback } from 'fastify'
import t from 'tap'
import { hookOf } from '../../../src/http/library-hook.js'

t.test('hookOf returns the hook without registering anything else', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const hook = hookOf('@fastify/cors', fastifyCors, app, { origin: ['https://app.example.com'] })
  app.get('/with', { onRequest: hook }, async () => ({}))
  app.get('/without', async () => ({}))
  const headers = { origin: 'https://app.example.com' }
  t.equal((await app.inject({ url: '/with', headers })).headers['access-control-allow-origin'], headers.origin)
  t.equal((await app.inject({ url: '/without', headers })).headers['access-control-allow-origin'], undefined)
  t.notMatch(app.printRoutes(), /OPTIONS/)
  t.notOk(app.hasRequestDecorator('corsPreflightEnabled'))
})

const releases: Array<[string, FastifyPluginCallback]> = [
  ['no hook', (_fastify, _options, done) => { done() }],
  ['another hook', (fastify, _options, done) => { fastify.addHook('preHandler', async () => {}); done() }],
  ['nothing, because it fails', async () => { throw new Error('no') }],
  ['its hook later', async fastify => { await null; fastify.addHook('onRequest', async () => {}) }]
]

for (const [what, release] of releases) {
  t.test(`a library that adds ${what} stops the start`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    t.throws(() => hookOf('@fastify/cors', release, app, {}), { message: /@fastify\/cors/ })
  })
}
