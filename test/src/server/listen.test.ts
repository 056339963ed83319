/** The server listens on every address of `localhost`, with the same timeouts and errors. */
import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { listen } from '../../../src/server/listen.js'
import { serverOptions } from '../../../src/http/server-options.js'

const both = async (): Promise<string[]> => ['127.0.0.1', '127.0.0.2']

function build (t: Test): FastifyInstance {
  const app = Fastify(serverOptions({ logLevel: 'silent' }))
  t.teardown(async () => { app.server.closeAllConnections(); await app.close() })
  app.get('/', async request => ({ at: request.socket.localAddress }))
  app.get('/slow', async () => await new Promise(() => {}))
  return app
}

async function bytes (host: string, port: number, text: string): Promise<string> {
  const socket = connect(port, host).setEncoding('utf8')
  let kept = ''
  socket.on('data', chunk => { kept += String(chunk) }).on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return kept
}

t.test('listen answers on all addresses of localhost at one port', async t => {
  const app = build(t)
  const port = await listen(app, { host: 'localhost', port: 0, addressesOf: both })
  t.ok(port > 0)
  for (const address of await both()) {
    t.strictSame(await (await fetch(`http://${address}:${port}/`)).json(), { at: address })
  }
})

t.test('invalid HTTP gets the same JSON on each address', async t => {
  const app = build(t)
  const port = await listen(app, { host: 'localhost', port: 0, addressesOf: both })
  for (const address of await both()) {
    t.match(await bytes(address, port, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 [^]*MCP_ERR_BAD_HTTP/)
  }
})

t.test('closeAllConnections closes those of each address', async t => {
  const app = build(t)
  const port = await listen(app, { host: 'localhost', port: 0, addressesOf: both })
  for (const address of await both()) {
    const arrived = once(app.server, 'request')
    const ended = bytes(address, port, 'GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await arrived
    app.server.closeAllConnections()
    t.equal(await ended, '')
  }
})

t.test('after close no address accepts connections', async t => {
  const app = build(t)
  const port = await listen(app, { host: 'localhost', port: 0, addressesOf: both })
  await app.close()
  for (const address of await both()) await t.rejects(fetch(`http://${address}:${port}/`))
})

t.test('an address that the machine does not have is skipped', async t => {
  const app = build(t)
  const port = await listen(app, { host: 'localhost', port: 0, addressesOf: async () => ['127.0.0.1', '192.0.2.1'] })
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
})

t.test('any other host is a single address', async t => {
  const app = build(t)
  const port = await listen(app, { host: '127.0.0.1', port: 0, addressesOf: both })
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
  await t.rejects(fetch(`http://127.0.0.2:${port}/`))
})

t.test('an occupied port rejects', async t => {
  const port = await listen(build(t), { host: '127.0.0.1', port: 0 })
  await t.rejects(listen(build(t), { host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})

t.test('the system resolves localhost', async t => {
  const port = await listen(build(t), { host: 'localhost', port: 0 })
  t.equal((await fetch(`http://localhost:${port}/`)).status, 200)
})
