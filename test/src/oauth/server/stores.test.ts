/** The stores of the authorization server in memory and in files, and their limits. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { DocumentsFullError, maxDocuments } from '../../../../src/oauth/server/documents/documents.js'
import { documentsInFiles } from '../../../../src/oauth/server/documents/in-files.js'
import { documentsInMemory } from '../../../../src/oauth/server/documents/in-memory.js'
import { createDynamicClients } from '../../../../src/oauth/server/clients/dynamic.js'
import { documentsContract } from '../../../support/contracts/documents.js'
import { directory } from '../../../support/keys.js'
import { wallClock } from '../../../support/wall-clock.js'

const run = promisify(execFile)

t.test('in memory', async t => {
  await documentsContract(t, async () => {
    const documents = documentsInMemory()
    return [documents, documents]
  })
})

t.test('in files', async t => {
  await documentsContract(t, async t => {
    const path = await directory(t)
    const both = [documentsInFiles({ directory: path }), documentsInFiles({ directory: path })] as const
    t.teardown(async () => { for (const one of both) await one.close() })
    return both
  })
})

t.test('a damaged file is ignored and can be replaced', async t => {
  const path = await directory(t)
  await mkdir(join(path, 'grant'))
  for (const [name, text] of [
    ['half', '{"version":1,'],
    ['null', 'null'],
    ['list', '[]'],
    ['text', '{"version":"1","endsAt":null,"value":{}}']
  ] as const) {
    await writeFile(join(path, 'grant', `${name}.json`), text)
    const documents = documentsInFiles({ directory: path })
    t.equal(await documents.get('grant', name), undefined)
    t.ok(await documents.put('grant', name, { ok: true }, { version: 0, endsAt: null }))
    t.match(await documents.get('grant', name), { value: { ok: true } })
    await documents.close()
  }
})

t.test('the number of documents of a kind is limited', async t => {
  const documents = documentsInMemory()
  for (let n = 0; n < maxDocuments; n++) await documents.put('once', String(n), {}, { version: 0, endsAt: null })
  await t.rejects(async () => await documents.put('once', 'more', {}, { version: 0, endsAt: null }), DocumentsFullError)
  t.ok(await documents.put('code', 'other', {}, { version: 0, endsAt: null }))
})

const metadata = (n: number): object => ({
  client_name: `App ${n}`,
  redirect_uris: ['https://app.example.com/callback']
})

t.test('the oldest unused dynamic client is dropped at the limit', async t => {
  const clock = wallClock(t)
  const clients = createDynamicClients({ documents: documentsInMemory(), max: 3 })
  const ids: string[] = []
  for (const n of [0, 1, 2, 3]) {
    if (n === 1) await clients.used(ids[0] ?? '')
    ids.push((await clients.register(metadata(n))).client.id)
    clock.advance(1)
  }
  t.same(await Promise.all(ids.map(async id => await clients.find(id) !== undefined)), [true, false, true, true])
})

t.test('an unused client is dropped after a day, a used one after 90', async t => {
  const clock = wallClock(t)
  const clients = createDynamicClients({ documents: documentsInMemory() })
  const [unused, used] = [
    (await clients.register(metadata(1))).client.id,
    (await clients.register(metadata(2))).client.id
  ]
  await clients.used(used)
  clock.advance(86_401)
  t.equal(await clients.find(unused), undefined)
  t.ok(await clients.find(used))
  clock.advance(88 * 86_400)
  await clients.used(used)
  clock.advance(89 * 86_400)
  t.ok(await clients.find(used))
  clock.advance(2 * 86_400)
  t.equal(await clients.find(used), undefined)
})

t.test('the file store lists more documents than the process can open files', async t => {
  const path = await directory(t)
  await mkdir(join(path, 'grant'))
  const text = JSON.stringify({ version: 1, endsAt: null, value: {} })
  for (let n = 0; n < 600; n++) await writeFile(join(path, 'grant', `${n}.json`), text)
  const module = new URL('../../../../src/oauth/server/documents/in-files.ts', import.meta.url).href
  const program = `
    const { documentsInFiles } = await import(${JSON.stringify(module)})
    const documents = documentsInFiles({ directory: ${JSON.stringify(path)} })
    console.log((await documents.list('grant')).length)
    await documents.close()`
  const { stdout } = await run('sh', [
    '-c', 'ulimit -n 256 && exec "$@"', 'sh',
    process.execPath, '--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program
  ])
  t.equal(stdout, '600\n')
})
