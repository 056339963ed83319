/** Real clients over a real socket, with the default limits. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { definePrompt } from '../../src/tools/prompt.js'
import { defineTool } from '../../src/tools/tool.js'
import { clients } from '../support/clients.js'
import { adaKey, callOf, listening, modern, service, withKey, withToken } from '../support/service.js'

const waiting = new Set<string>()
const cancelled = new Set<string>()

const tools = [
  defineTool({ name: 'echo', input: z.object({ text: z.string() }), handler: ({ text }) => text }),
  defineTool({
    name: 'count',
    handler: async (_args, { progress }) => {
      for (let i = 1; i <= 3; i++) await progress(i, 3)
      return 'counted'
    }
  }),
  defineTool({
    name: 'wait',
    input: z.object({ who: z.string() }),
    handler: async ({ who }, { signal }) => await new Promise<never>((_resolve, reject) => {
      waiting.add(who)
      signal.addEventListener('abort', () => { cancelled.add(who); reject(new Error('aborted')) })
    })
  }),
  defineTool({
    name: 'ask',
    handler: async (_args, { elicit }) => {
      const { action, content } = await elicit({
        message: 'Which colour?',
        schema: { type: 'object', properties: { colour: { type: 'string' } } }
      })
      return `${action} ${String(content?.colour)}`
    }
  })
]
const resources = [
  { name: 'greeting', uri: 'note://greeting', mimeType: 'text/plain', read: () => 'good morning' },
  {
    name: 'note',
    uriTemplate: 'note://{team}/{id}',
    read: (_uri: string, _context: unknown, { team, id }: Readonly<Record<string, string>>) =>
      `note ${id} of ${team}`
  }
]
const prompts = [definePrompt({
  name: 'greet',
  input: z.object({ whom: z.string() }),
  complete: { whom: value => ['ada', 'alan', 'bob'].filter(name => name.startsWith(value)) },
  handler: ({ whom }) => `Greet ${whom}`
})]

async function start (
  t: Test,
  options: Parameters<typeof service>[1] = {}
): Promise<{ app: FastifyInstance; url: string }> {
  const app = await service(t, { tools, resources, prompts, ...options })
  return { app, url: await listening(app) }
}

const credentials = [['a key', withKey], ['a token', withToken('carol')]] as const

for (const [client, era, connect] of clients) {
  for (const [credential, headers] of credentials) {
    t.test(`${client} with ${credential} connects, lists and calls, twice in a row`, async t => {
      const { url } = await start(t)
      for (let round = 1; round <= 2; round++) {
        const connected = await connect({ url, headers })
        t.equal(connected.era, era)
        t.same(await connected.tools(), ['ask', 'count', 'echo', 'wait', 'whoami'])
        t.same(await connected.call('echo', { text: `round ${round}` }), { text: `round ${round}`, isError: false })
        t.match(JSON.parse((await connected.call('whoami')).text), {
          method: credential === 'a key' ? 'api-key' : 'jwt',
          role: 'user'
        })
        await connected.close()
      }
    })
  }

  t.test(`${client} gets progress`, async t => {
    const { url } = await start(t)
    const connected = await connect({ url, headers: withKey })
    const heard: number[] = []
    const { text } = await connected.call('count', {}, { onprogress: ({ progress }) => { heard.push(progress) } })
    t.equal(text, 'counted')
    t.same(heard, [1, 2, 3])
    await connected.close()
  })

  t.test(`${client} reads resources, gets prompts and completes their arguments`, async t => {
    const { url } = await start(t)
    const connected = await connect({ url, headers: withToken('carol') })
    t.same(await connected.resources(), ['note://greeting'])
    t.same(await connected.templates(), ['note://{team}/{id}'])
    t.equal(await connected.read('note://greeting'), 'good morning')
    t.equal(await connected.read('note://red/7'), 'note 7 of red')
    t.same(await connected.prompts(), ['greet'])
    t.equal(await connected.prompt('greet', { whom: 'ada' }), 'Greet ada')
    t.same(await connected.complete('greet', { name: 'whom', value: 'a' }), ['ada', 'alan'])
    await connected.close()
  })

  t.test(`${client} gets the error message of a failed call`, async t => {
    const { url } = await start(t)
    const connected = await connect({ url, headers: withKey })
    t.match(await connected.call('echo', { text: 1 }), { isError: true, text: /text/ })
    await t.rejects(connected.call('nobody'), { code: -32602 })
    // The v2 client always reports the newer code.
    await t.rejects(connected.read('note://nowhere'), { code: client === 'the v1 client' ? -32002 : -32602 })
    await connected.close()
  })

  t.test(`${client} makes a hundred requests and then gets a rate limit`, async t => {
    const { url } = await start(t, { env: { RATE_LIMIT_WINDOW_MS: '3600000' } })
    const connected = await connect({ url, headers: withKey })
    const { budget } = JSON.parse((await connected.call('whoami')).text)
    const left: number = budget.remaining
    t.ok(left >= 94 && left < 100, `connecting took ${100 - left}`)
    for (let i = 1; i <= left; i++) t.equal((await connected.call('echo', { text: String(i) })).text, String(i))
    await t.rejects(connected.call('echo', { text: 'one more' }))
    await connected.close()
  })

  t.test(`${client} without a credential gets 401`, async t => {
    const { url } = await start(t)
    await t.rejects(connect({ url, headers: {} }), /401|unauthor/i)
  })
}

for (const [client, era, connect] of clients) {
  t.test(`${client} cancels a call and aborts the signal of the tool`, async t => {
    const { url } = await start(t, era === 'legacy' ? { sessions: true } : {})
    const connected = await connect({ url, headers: withKey })
    const cancelling = new AbortController()
    const call = connected.call('wait', { who: client }, { signal: cancelling.signal })
    const rejected = t.rejects(call)
    while (!waiting.has(client)) await sleep(5)
    cancelling.abort()
    await rejected
    while (!cancelled.has(client)) await sleep(5)
    t.equal((await connected.call('echo', { text: 'still here' })).text, 'still here')
    await connected.close()
  })

  t.test(`${client} answers a question during a call`, async t => {
    const { url } = await start(t, era === 'legacy' ? { sessions: true } : {})
    const asked: string[] = []
    const connected = await connect({
      url,
      headers: withKey,
      onElicit: message => {
        asked.push(message)
        return { action: 'accept', content: { colour: 'green' } }
      }
    })
    t.equal((await connected.call('ask')).text, 'accept green')
    t.same(asked, ['Which colour?'])
    await connected.close()
  })

  t.test(`${client} without elicitation still gets an answer`, async t => {
    const { url } = await start(t)
    const connected = await connect({ url, headers: withKey })
    const outcome = await connected.call('ask').then(({ isError }) => isError, () => true)
    t.equal(outcome, true)
    await connected.close()
  })
}

t.test('two concurrent callers with the same ids get only their own answers', async t => {
  const mine = defineTool({
    name: 'mine',
    input: z.object({ nonce: z.string() }),
    handler: async ({ nonce }, { principal, progress }) => {
      if (Number(nonce) % 3 === 0) await sleep(Number(nonce) % 7)
      if (Number(nonce) % 5 === 0) await progress(1)
      return `${principal.id} ${nonce}`
    }
  })
  const { url } = await start(t, { tools: [mine], env: { RATE_LIMIT_MAX: '1000' } })
  const call = async (id: number, headers: Record<string, string>, inEra: 'legacy' | 'modern'): Promise<string> => {
    const params = { name: 'mine', arguments: { nonce: String(id) } }
    const { headers: own, payload } =
      inEra === 'modern'
        ? modern('tools/call', params, id)
        : { headers: {}, payload: callOf('mine', params.arguments, id) }
    const response = await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { ...headers, ...own, 'content-type': 'application/json' },
      body: JSON.stringify(payload)
    })
    return await response.text()
  }
  const callers = [[{ 'x-api-key': adaKey }, /^apikey:/], [withToken('bob'), /^jwt:bob /]] as const
  const todo = Array.from({ length: 1000 }, (_, n) => ({
    id: Math.floor(n / 2) + 1,
    caller: callers[n % 2] ?? callers[0],
    era: n % 4 < 2 ? ('legacy' as const) : ('modern' as const)
  }))
  let right = 0
  const worker = async (): Promise<void> => {
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const { id, caller: [headers, owner], era } = next
      const text = await call(id, headers, era)
      const { id: answered, result } = JSON.parse(text.startsWith('{') ? text : text.split('data: ').at(-1) ?? '')
      const [said, nonce] = [result.content[0].text, result.content[0].text.split(' ')[1]]
      if (answered === id && nonce === String(id) && owner.test(said)) right += 1
    }
  }
  await Promise.all(Array.from({ length: 40 }, worker))
  t.equal(right, 1000)
})
