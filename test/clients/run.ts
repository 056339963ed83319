/**
 * Runs popular clients as separate programs. Each connects, lists and calls with a key and with a token,
 * twice. `--fleet`: with sessions, against two instances with one Redis that get the requests in turn.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { buildApp } from '../../src/app.js'
import { generateToken } from '../../src/tokens/generate.js'
import { key, knownBy, revokeGrants, secret, signInHost } from './host.js'
import { openPassThrough } from '../conformance/pass-through.js'
import { freePort } from '../support/ports.js'
import { redisServer } from '../support/redis.js'
import { environment, fileOf, folder, install, limitMs, output } from './programs.js'
import { signInAt } from './sign-in.js'

interface Found {
  readonly tools: readonly string[]
  /** The answer of `whoami`. */
  readonly whoami: string
}

interface Target {
  readonly url: string
  /** In the form `Name: value`. */
  readonly header: string
  /** A directory for files of the program, instead of the user's home. */
  readonly home: string
}

type Use = (target: Target) => Promise<Found>

/** The rounds of a sign-in, and whether the client must ask the person in each. */
const rounds = [['the first time', true], ['again', false], ['after a revocation', true]] as const

const node = await install()

const clients: Record<string, Use> = {
  'mcp-remote': async ({ url, header, home }) => {
    const client = new Client({ name: 'fastify-mcp-auth-tests', version: '0' })
    const transport = new StdioClientTransport({
      command: node,
      args: [fileOf('mcp-remote', 'dist/proxy.js'), url, '--header', header],
      env: environment(home),
      stderr: 'ignore'
    })
    await client.connect(transport, { timeout: limitMs })
    try {
      const { tools } = await client.listTools()
      const { content } = await client.callTool({ name: 'whoami' })
      return { tools: tools.map(({ name }) => name), whoami: JSON.stringify(content) }
    } finally {
      await client.close()
    }
  },

  'inspector --cli': async ({ url, header, home }) => {
    const cli = [
      fileOf('@modelcontextprotocol/inspector', 'clients/launcher/build/index.js'),
      '--cli',
      url,
      '--transport',
      'http',
      '--header',
      header
    ]
    const list: unknown = JSON.parse(await run([...cli, '--method', 'tools/list'], home))
    const whoami = await run([...cli, '--method', 'tools/call', '--tool-name', 'whoami'], home)
    return { tools: (list as { tools: Array<{ name: string }> }).tools.map(({ name }) => name), whoami }
  },

  'AI SDK': async ({ url, header, home }) => {
    const { tools, result } = JSON.parse(await run([join(folder, 'ai-sdk.js'), url, header], home)) as {
      tools: string[]
      result: unknown
    }
    return { tools, whoami: JSON.stringify(result) }
  }
}

process.exitCode = [await useAll(), await useOAuth()].every(Boolean) ? 0 : 1

/**
 * Runs `mcp-remote` without a credential: it must ask the person to sign in, reuse the stored tokens the next
 * time, and ask again once the grant was revoked.
 */
async function useOAuth (): Promise<boolean> {
  let allWell = true
  for (const [known, args] of Object.entries(knownBy)) {
    // Its own default is a port that the system may have assigned to a connection.
    const [port, callbackPort] = [await freePort(), await freePort()]
    const base = `http://localhost:${port}`
    const home = mkdtempSync(join(tmpdir(), 'mcp-clients-'))
    const teardowns: Array<() => unknown> = []
    const app = await signInHost(base, join(home, 'state'), known, teardowns)
    try {
      await app.listen({ port, host: 'localhost' })
      for (const [round, mustAsk] of rounds) {
        if (round === 'after a revocation') await revokeGrants(app)
        const problem = await signedIn(`${base}/mcp`, [String(callbackPort), ...args], home, mustAsk).then(
          found => problemOf(found, 'apikey:'),
          String
        )
        console.log(
          `${problem === undefined ? 'ok    ' : 'NOT OK'} mcp-remote signed in, known ${known}, ` +
            `${round}${problem === undefined ? '' : `: ${problem}`}`
        )
        allWell &&= problem === undefined
      }
    } finally {
      const closed = app.close()
      app.server.closeAllConnections()
      await closed
      for (const teardown of teardowns) await teardown()
      rmSync(home, { recursive: true, force: true })
    }
  }
  return allWell
}

async function signedIn (url: string, args: readonly string[], home: string, mustAsk: boolean): Promise<Found> {
  const client = new Client({ name: 'fastify-mcp-auth-tests', version: '0' })
  const transport = new StdioClientTransport({
    command: node,
    args: [fileOf('mcp-remote', 'dist/proxy.js'), url, ...args],
    env: { ...environment(home), BROWSER: 'none' },
    stderr: 'pipe'
  })
  let said = ''
  let isAsked = false
  transport.stderr?.on('data', chunk => {
    said += String(chunk)
    const [, address] = /visiting:\s+(http\S+)\s/.exec(said) ?? []
    if (address === undefined || isAsked) return
    isAsked = true
    signInAt(address, key).catch(error => { said += String(error) })
  })
  try {
    await client.connect(transport, { timeout: limitMs })
    if (isAsked !== mustAsk) throw new Error(mustAsk ? 'it did not ask to sign in' : 'it asked to sign in again')
    const { tools } = await client.listTools()
    const { content } = await client.callTool({ name: 'whoami' })
    return { tools: tools.map(({ name }) => name), whoami: JSON.stringify(content) }
  } catch (error) {
    throw new Error(`${String(error)}: ${said.slice(-500)}`)
  } finally {
    await client.close()
  }
}

async function useAll (): Promise<boolean> {
  const ends: Array<() => unknown> = []
  const home = mkdtempSync(join(tmpdir(), 'mcp-clients-'))
  ends.push(() => { rmSync(home, { recursive: true, force: true }) })
  try {
    const url = process.argv.includes('--fleet') ? await openFleet(ends) : await openServer(ends)
    const credentials = {
      key: [`x-api-key: ${key}`, 'apikey:'],
      token: [`Authorization: Bearer ${generateToken('ada', 'user', '1h', { secret })}`, 'jwt:ada']
    } as const
    let allWell = true
    for (const [name, use] of Object.entries(clients)) {
      for (const [credential, [header, id]] of Object.entries(credentials)) {
        for (const round of ['first', 'second']) {
          const problem = await use({ url, header, home }).then(found => problemOf(found, id), String)
          console.log(
            `${problem === undefined ? 'ok    ' : 'NOT OK'} ${name} with a ${credential}, the ${round} ` +
              `time${problem === undefined ? '' : `: ${problem}`}`
          )
          allWell &&= problem === undefined
        }
      }
    }
    return allWell
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function openServer (ends: Array<() => unknown>, more: Record<string, string> = {}): Promise<string> {
  const app = await buildApp({ env: { API_KEYS: key, JWT_SECRET: secret, LOG_LEVEL: 'silent', ...more } })
  ends.push(async () => {
    const closed = app.close()
    app.server.closeAllConnections()
    await closed
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://localhost:${(app.server.address() as AddressInfo).port}/mcp`
}

/** Starts two instances behind a relay that sends them requests in turn. */
async function openFleet (ends: Array<() => unknown>): Promise<string> {
  const redis = await redisServer({ teardown: end => { ends.push(end) } })
  // Long enough that a busy machine does not count as an outage.
  const shared = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '5000', MCP_SESSIONS: 'on', DRAIN_DELAY_MS: '0' }
  const [one, other] = [await openServer(ends, shared), await openServer(ends, shared)]
  const relay = await openPassThrough(new URL(one), undefined, [new URL(other)])
  ends.push(relay.close)
  return relay.url
}

function problemOf ({ tools, whoami }: Found, id: string): string | undefined {
  if (tools.join() !== 'whoami') return `listed ${tools.join() || 'nothing'}`
  return whoami.includes(id) ? undefined : `was called ${whoami.slice(0, 200)}`
}

/** Runs a program on a Node that can run it. Resolves to its output. */
async function run (args: readonly string[], home: string): Promise<string> {
  return await output(node, args, { env: environment(home) })
}
