/** Managed keys that change or end while the server runs: the effect on streams, rights, locks and files. */
import { writeFile } from 'node:fs/promises'
import { type FastifyInstance } from 'fastify'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { importKeys, revokeKey, setDisabled } from '../../src/api-keys/changes.js'
import { changeKeyFile } from '../../src/api-keys/file.js'
import { formatKeyFile } from '../../src/api-keys/record.js'
import { defineTool } from '../../src/tools/tool.js'
import { addKey, keyFile, newKey } from '../support/keys.js'
import { logSink } from '../support/log-sink.js'
import { modern, modernMeta, post } from '../support/service.js'
import { serve, whoami, statusOf, becomes, roomy } from '../support/managed-keys.js'
import { until } from '../support/until.js'

t.test('keys can be added and revoked while the server runs', async t => {
  const path = await keyFile(t)
  const { app } = await serve(t, path, roomy)
  const { key, record } = await addKey(path)
  await becomes(app, key, 200)
  await changeKeyFile(path, records => setDisabled(records, record.id, true))
  await becomes(app, key, 401)
  await changeKeyFile(path, records => setDisabled(records, record.id, false))
  await becomes(app, key, 200)
  await changeKeyFile(path, records => revokeKey(records, record.id))
  await becomes(app, key, 401)
})

/** Opens a stream. `text()` is its content, once it has ended. */
function listen (app: FastifyInstance, key: string): { text: () => string } {
  let text = ''
  const { headers, payload } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
  post(app, payload, { ...headers, accept: 'application/json, text/event-stream', 'x-api-key': key }).then(
    answer => {
      text = answer.text
    },
    t.fail
  )
  return { text: () => text }
}

t.test('revoking a key ends only its own open streams', async t => {
  const path = await keyFile(t)
  const [leaving, staying] = [await addKey(path, { owner: 'ada' }), await addKey(path, { owner: 'ada' })]
  const { app } = await serve(t, path)
  const [ends, stays] = [listen(app, leaving.key), listen(app, staying.key)]
  await changeKeyFile(path, records => revokeKey(records, leaving.record.id))
  await until(() => ends.text() !== '')
  t.match(ends.text(), 'subscriptions/acknowledged')
  t.equal(stays.text(), '')
  await app.close()
  await until(() => stays.text() !== '')
})

t.test('revoking an imported key of API_KEYS ends its earlier streams', async t => {
  const key = 'a-key-in-the-environment'
  const path = await keyFile(t)
  const { app, log } = await serve(t, path, { API_KEYS: key })
  const stream = listen(app, key)
  const { id } = await whoami(app, key)
  const [record] = await changeKeyFile(path, records => importKeys(records, [key], { name: 'old' }))
  await until(() => log.lines().some(({ keys }) => keys === 1))
  t.equal(await statusOf(app, key), 200)
  t.equal(stream.text(), '')
  t.equal(record?.owner, id)
  await changeKeyFile(path, records => revokeKey(records, record?.id ?? ''))
  await until(() => stream.text() !== '')
  t.equal(await statusOf(app, key), 401)
})

t.test('removing a role ends streams opened with it', async t => {
  const path = await keyFile(t)
  const { key, record } = await addKey(path, { role: 'admin' })
  const { app } = await serve(t, path)
  const stream = listen(app, key)
  await changeKeyFile(path, records => ({
    records: records.map(record => ({ ...record, role: 'user' as const })),
    result: undefined
  }))
  await until(() => stream.text() !== '')
  t.match(await whoami(app, key), { id: `apikey:${record.id}`, role: 'user' })
})

t.test(
  'changing the networks of a key ends its streams and calls from other addresses',
  async t => {
    const path = await keyFile(t)
    const { key, record } = await addKey(path)
    const talk = defineTool({
      name: 'talk',
      handler: async (_args, { progress, signal }) => {
        await progress(1)
        begun()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        return 'never heard'
      }
    })
    let begun = (): void => {}
    const running = new Promise<void>(resolve => {
      begun = resolve
    })
    const app = await buildApp({ env: { API_KEYS_FILE: path }, logStream: logSink(), tools: [talk] })
    t.teardown(() => app.close())
    const accept = 'application/json, text/event-stream'
    const open = (
      { headers, payload }: ReturnType<typeof modern>,
      remoteAddress: string
    ): { text: () => string } => {
      let text = ''
      app
        .inject({
          method: 'POST',
          url: '/mcp',
          remoteAddress,
          headers: { ...headers, accept, 'content-type': 'application/json', 'x-api-key': key },
          payload
        })
        .then(answer => {
          text = answer.body
        }, t.fail)
      return { text: () => text }
    }
    const listening = modern('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const [ends, stays] = [open(listening, '198.51.100.7'), open(listening, '192.0.2.7')]
    const talking = open(
      modern('tools/call', {
        name: 'talk',
        arguments: {},
        _meta: { ...modernMeta, progressToken: 1 }
      }),
      '198.51.100.7'
    )
    await running
    await changeKeyFile(path, records => ({
      records: records.map(one => (one.id === record.id ? { ...one, cidrs: ['192.0.2.0/24'] } : one)),
      result: undefined
    }))
    await until(() => ends.text() !== '' && talking.text() !== '')
    t.match(ends.text(), 'subscriptions/acknowledged')
    t.match(talking.text(), 'MCP_ERR_UNAUTHENTICATED')
    t.equal(stays.text(), '')
    await app.close()
    await until(() => stays.text() !== '')
  }
)

t.test('a known key passes a locked address until it is revoked', async t => {
  const path = await keyFile(t)
  const { key, record } = await addKey(path)
  const fresh = await addKey(path)
  const { app } = await serve(t, path, { PREAUTH_RATE_LIMIT_MAX: '2' })
  t.equal(await statusOf(app, key), 200)
  for (let i = 0; i < 2; i++) t.equal(await statusOf(app, 'wrong'), 401)
  t.equal(await statusOf(app, fresh.key), 429)
  t.equal(await statusOf(app, key), 200)
  await changeKeyFile(path, records => revokeKey(records, record.id))
  await becomes(app, key, 429)
})

t.test('a damaged key file keeps the server running and is logged', async t => {
  const path = await keyFile(t)
  const { key } = await addKey(path)
  const { app, log } = await serve(t, path, roomy)
  await writeFile(path, 'garbage')
  await until(() => log.lines().some(({ level }) => level === 50))
  t.equal(await statusOf(app, key), 200)
  t.match(log.lines().filter(({ level }) => level === 50), [{ msg: /still apply/, problem: /is not JSON/ }])
  const next = newKey()
  await writeFile(path, formatKeyFile([next.record]))
  await becomes(app, next.key, 200)
  t.equal(await statusOf(app, key), 401)
})
