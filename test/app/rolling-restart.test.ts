/** An instance is replaced behind a balancer that polls `/ready` and does not retry: no request is lost. */
import { once } from 'node:events'
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { key, list, sound, start, viaTsx, type Running } from '../support/process.js'
import { until } from '../support/until.js'

function startInstance (t: Test, cwd: string): Running {
  // Many times the poll interval, so that the balancer notices in time on a busy machine.
  const env = { ...sound, HOST: '127.0.0.1', RATE_LIMIT_MAX: '1000000', DRAIN_DELAY_MS: '12000' }
  return start(t, process.execPath, [...viaTsx, 'start'], { cwd, env })
}

/** The balancer's view of an instance: ready if the last answer of `/ready` was 200. */
class Target {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #url: URL
  isReady = false

  constructor (url: string) {
    this.#url = new URL(url)
  }

  async ask (): Promise<void> {
    this.isReady = await this.pass('/ready', 'GET').then(({ status }) => status === 200, () => false)
  }

  async pass (path: string, method: string, body = ''): Promise<{ status: number, text: string }> {
    const { hostname, port, host } = this.#url
    const headers = {
      host,
      'x-api-key': key,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body)
    }
    const forwarded = request({ agent: this.#agent, hostname, port, path, method, headers })
    forwarded.end(body)
    const [response] = await once(forwarded, 'response')
    let text = ''
    for await (const chunk of response) text += String(chunk)
    return { status: response.statusCode, text }
  }

  close (): void {
    this.#agent.destroy()
  }
}

/** Distributes requests in turn among the ready targets. */
async function balance (t: Test, targets: Target[]): Promise<string> {
  let turn = 0
  const server: Server = createServer((_incoming, outgoing) => {
    const ready = targets.filter(({ isReady }) => isReady)
    const target = ready[turn++ % ready.length]
    if (target === undefined) {
      outgoing.writeHead(503).end('no target is ready')
      return
    }
    target.pass('/mcp', 'POST', list).then(
      ({ status, text }) => {
        outgoing.writeHead(status).end(text)
      },
      error => {
        outgoing.writeHead(502).end(String(error))
      }
    )
  })
  const closing = new AbortController()
  const polls = (async () => {
    while (!closing.signal.aborted) {
      await Promise.all(targets.map(async target => { await target.ask() }))
      await sleep(20)
    }
  })()
  t.teardown(async () => {
    closing.abort()
    await polls
    server.closeAllConnections()
    server.close()
    for (const target of targets) target.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('I14: no request is lost while an instance is replaced', { timeout: 120_000 }, async t => {
  const place = t.testdir({ first: {}, second: {}, third: {} })
  const first = startInstance(t, `${place}/first`)
  const second = startInstance(t, `${place}/second`)
  const targets = [new Target(await first.url), new Target(await second.url)]
  const balancer = await balance(t, targets)
  await until(() => targets.every(({ isReady }) => isReady))

  const outcomes = new Map<string, number>()
  const over = new AbortController()
  const client = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const response = await fetch(balancer)
      const text = await response.text()
      const outcome = response.status === 200 && text.includes('"whoami"') ? 'answered' : `${response.status} ${text}`
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  }
  const clients = Promise.all(Array.from({ length: 8 }, client))
  await until(() => (outcomes.get('answered') ?? 0) > 100)

  first.child.kill('SIGTERM')
  const third = startInstance(t, `${place}/third`)
  targets.push(new Target(await third.url))
  t.same(await first.ended, { code: 0, signal: null })
  await until(() => targets[2]?.isReady === true)
  const before = outcomes.get('answered') ?? 0
  await until(() => (outcomes.get('answered') ?? 0) > before + 100)
  over.abort()
  await clients
  t.same([...outcomes.keys()], ['answered'])
})
