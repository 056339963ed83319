/**
 * `npm run upstreams`: calls MCP servers of the registry behind the proxy, with real clients of both eras.
 * Installs the servers from the lock file in this folder. Exits with 1 if an answer is not as expected.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { buildApp } from '../../src/index.js'
import type { UpstreamOptions } from '../../src/upstreams/options.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const keys = { ada: 'key-of-ada-for-upstreams-0001', bob: 'key-of-bob-for-upstreams-0002' }
const limitMs = 5 * 60_000
type Era = 'modern' | 'legacy'
type Ends = Array<() => unknown>

function server (name: string, ...args: string[]): UpstreamOptions {
  return {
    command: process.execPath,
    args: [join(folder, 'node_modules/@modelcontextprotocol', `server-${name}`, 'dist/index.js'), ...args]
  }
}

function install (): void {
  if (existsSync(join(folder, 'node_modules/.package-lock.json'))) return
  const args = ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error']
  if (spawnSync('npm', args, { stdio: 'inherit' }).status !== 0) throw new Error('npm ci failed')
}

async function freePort (): Promise<number> {
  const socket = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => socket.once('listening', resolve))
  const { port } = socket.address() as AddressInfo
  await new Promise(resolve => socket.close(resolve))
  return port
}

/** Starts `server-everything` over HTTP as a separate process. */
async function everythingOverHttp (ends: Ends): Promise<string> {
  const port = await freePort()
  const { command = '', args = [] } = server('everything', 'streamableHttp')
  const child = spawn(command, args, { env: { PATH: process.env.PATH ?? '', PORT: String(port) }, stdio: 'ignore' })
  ends.push(() => child.kill('SIGKILL'))
  const url = `http://127.0.0.1:${port}/mcp`
  for (let tries = 0; tries < 600; tries++) {
    if (await fetch(url).then(() => true, () => false)) return url
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error('server-everything does not listen')
}

async function connected (url: string, key: string, era: Era, ends: Ends): Promise<Client> {
  const client = new Client({ name: 'upstreams', version: '1' }, {
    capabilities: { elicitation: { form: {} }, sampling: {} },
    ...(era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {})
  })
  client.setRequestHandler('elicitation/create', async () => ({
    action: 'accept', content: { name: 'Ada', email: 'ada@example.com' }
  }))
  client.setRequestHandler('sampling/createMessage', async () => ({
    model: 'of-the-caller', role: 'assistant', content: { type: 'text', text: 'sampled by the caller' }
  }))
  const headers = { 'x-api-key': key }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))
  ends.push(async () => { await client.close() })
  return client
}

function textOf (result: unknown): string {
  const { content } = result as { content: Array<{ text?: string }> }
  return content.map(({ text = '' }) => text).join('\n')
}

type Check = readonly [what: string, run: () => Promise<void>]

function everything (ada: Client, prefix: string): Check[] {
  const call = async (name: string, args = {}): Promise<string> =>
    textOf(await ada.callTool({ name: `${prefix}${name}`, arguments: args }))
  return [
    ['a tool', async () => { assert.match(await call('echo', { message: 'hello' }), /hello/) }],
    ['structured content', async () => {
      const { structuredContent } = await ada.callTool({
        name: `${prefix}get-structured-content`, arguments: { location: 'New York' }
      })
      assert.equal(typeof structuredContent, 'object')
    }],
    ['arguments that do not match the schema', async () => {
      const { isError } = await ada.callTool({ name: `${prefix}get-sum`, arguments: { a: 'one' } })
      assert.equal(isError, true)
    }],
    ['an environment without our secrets', async () => {
      assert.doesNotMatch(await call('get-env'), /API_KEYS|key-of-(ada|bob)/)
    }],
    ['progress', async () => {
      const seen: number[] = []
      await ada.callTool(
        { name: `${prefix}trigger-long-running-operation`, arguments: { duration: 1, steps: 4 } },
        { onprogress: ({ progress }) => { seen.push(progress) } }
      )
      assert.deepEqual(seen, [1, 2, 3, 4])
    }],
    ['sampling by the caller', async () => {
      assert.match(await call('trigger-sampling-request', { prompt: 'Say it.', maxTokens: 10 }), /sampled by the caller/)
    }],
    ['a question to the caller', async () => {
      assert.match(await call('trigger-elicitation-request'), /ada@example\.com/)
    }],
    ['a resource', async () => {
      const { contents } = await ada.readResource({ uri: 'demo://resource/static/document/features.md' })
      assert.equal(contents.length, 1)
    }],
    ['a resource of a template', async () => {
      const { contents: [first] } = await ada.readResource({ uri: 'demo://resource/dynamic/text/1' })
      assert.equal(first?.uri, 'demo://resource/dynamic/text/1')
    }],
    ['a prompt', async () => {
      const prompt = await ada.getPrompt({ name: `${prefix}args-prompt`, arguments: { city: 'Paris' } })
      assert.match(JSON.stringify(prompt.messages), /Paris/)
    }],
    ['completion', async () => {
      const { completion } = await ada.complete({
        ref: { type: 'ref/prompt', name: `${prefix}completable-prompt` }, argument: { name: 'department', value: 'E' }
      })
      assert.ok(completion.values.includes('Engineering'))
    }]
  ]
}

function others (ada: Client, bob: Client, data: string): Check[] {
  const call = async (client: Client, name: string, args = {}): Promise<string> =>
    textOf(await client.callTool({ name, arguments: args }))
  const entity = (name: string): object => ({ entities: [{ name, entityType: 'word', observations: [name] }] })
  return [
    ['a file inside its directory', async () => {
      assert.match(await call(ada, 'files_read_text_file', { path: join(data, 'note.txt') }), /read me/)
    }],
    ['a file outside its directory', async () => {
      const answer = await ada.callTool({ name: 'files_read_text_file', arguments: { path: '/etc/passwd' } })
      assert.equal(answer.isError, true)
      assert.doesNotMatch(textOf(answer), /root:/)
    }],
    ['no tools that `include` omits', async () => {
      const { tools } = await ada.listTools()
      assert.equal(tools.some(({ name }) => name === 'files_write_file'), false)
      await assert.rejects(call(ada, 'files_write_file', { path: join(data, 'x'), content: 'x' }))
    }],
    ['no tools that `access` reserves', async () => {
      await assert.rejects(call(ada, 'reserved_read_text_file', { path: join(data, 'note.txt') }))
    }],
    ['a separate graph for each caller', async () => {
      await Promise.all([
        call(ada, 'own_create_entities', entity('of-ada')), call(bob, 'own_create_entities', entity('of-bob'))
      ])
      assert.match(await call(ada, 'own_read_graph'), /of-ada/)
      assert.doesNotMatch(await call(ada, 'own_read_graph'), /of-bob/)
      assert.doesNotMatch(await call(bob, 'own_read_graph'), /of-ada/)
    }],
    ['one graph for all callers', async () => {
      // In sequence, because the server reads and writes its file without a lock.
      await call(ada, 'common_create_entities', entity('of-ada'))
      await call(bob, 'common_create_entities', entity('of-bob'))
      assert.match(await call(ada, 'common_read_graph'), /of-ada[^]*of-bob|of-bob[^]*of-ada/)
    }],
    ['thoughts that are counted per caller', async () => {
      const thought = { thought: 'a', nextThoughtNeeded: true, thoughtNumber: 1, totalThoughts: 2 }
      await call(ada, 'thinking_sequentialthinking', thought)
      assert.match(await call(bob, 'thinking_sequentialthinking', thought), /"thoughtHistoryLength": 1/)
    }]
  ]
}

async function runEra (era: Era, far: string): Promise<number> {
  const ends: Ends = []
  const data = mkdtempSync(join(tmpdir(), 'mcp-upstreams-'))
  ends.push(() => { rmSync(data, { recursive: true, force: true }) })
  writeFileSync(join(data, 'note.txt'), 'read me')
  try {
    const app = await buildApp({
      env: {
        API_KEYS: Object.values(keys).join(),
        MCP_SESSIONS: 'on',
        LOG_LEVEL: 'silent',
        RATE_LIMIT_MAX: '100000',
        REQUEST_TIMEOUT_MS: '60000'
      },
      upstreams: {
        mcpServers: {
          near: { ...server('everything', 'stdio'), prefix: 'near_', exclude: ['gzip-file-as-resource'] },
          far: { url: far, share: 'caller' },
          files: { ...server('filesystem', data), include: ['read_text_file', 'list_directory'] },
          reserved: { ...server('filesystem', data), access: { scopes: ['files'] } },
          own: { ...server('memory'), env: { MEMORY_FILE_PATH: `${data}/\${caller}.jsonl` } },
          common: { ...server('memory'), share: 'all', env: { MEMORY_FILE_PATH: `${data}/common.jsonl` } },
          thinking: server('sequential-thinking')
        }
      }
    })
    ends.push(async () => { await app.close() })
    const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/mcp`
    const [ada, bob] = [await connected(url, keys.ada, era, ends), await connected(url, keys.bob, era, ends)]
    const checks = [
      ...everything(ada, 'near_').map(([what, run]) => [`server-everything over stdio: ${what}`, run] as const),
      ...everything(bob, 'far_').map(([what, run]) => [`server-everything over HTTP: ${what}`, run] as const),
      ...others(ada, bob, data)
    ]
    let failed = 0
    for (const [what, run] of checks) {
      const problem = await run().then(() => undefined, (error: unknown) => String(error).split('\n', 3).join(' '))
      if (problem !== undefined) failed += 1
      process.stdout.write(problem === undefined ? `ok  ${era}: ${what}\n` : `FAILS  ${era}: ${what}: ${problem}\n`)
    }
    return failed
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

const limit = setTimeout(() => {
  process.stderr.write(`not finished after ${limitMs} ms\n`)
  process.exit(1)
}, limitMs)
const ends: Ends = []
try {
  install()
  const far = await everythingOverHttp(ends)
  const failed = await runEra('legacy', far) + await runEra('modern', far)
  process.stdout.write(failed === 0 ? 'All answers are as expected.\n' : `${failed} answers are not as expected.\n`)
  if (failed > 0) process.exitCode = 1
} finally {
  clearTimeout(limit)
  for (const end of ends.reverse()) end()
}
