/** Several instances with sessions over one Redis, and the tools that tests of sessions call. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { z } from 'zod'
import type { AppOptions } from '../../src/app.js'
import { defineResource } from '../../src/tools/resource.js'
import { defineTool } from '../../src/tools/tool.js'
import type { RedisServer } from './redis.js'
import { listening, service } from './service.js'

/** Sends numbers, and answers with the last. `leave` closes the stream after that many. */
export const count = defineTool({
  name: 'count',
  input: z.object({
    from: z.number().default(1),
    to: z.number(),
    everyMs: z.number().default(5),
    leave: z.number().optional()
  }),
  handler: async ({ from, to, everyMs, leave }, { log, closeStream }) => {
    for (let n = from; n <= to; n++) {
      await log('info', n)
      if (n === leave) closeStream()
      await sleep(everyMs)
    }
    return `counted to ${to}`
  }
})

/** Asks its caller, and answers with the caller and the reply. */
export const ask = defineTool({
  name: 'ask',
  handler: async (_args, { elicit, principal }) => {
    const { action, content } = await elicit({
      message: 'Your name?',
      schema: { type: 'object', properties: { name: { type: 'string' } } }
    })
    return `${principal.id} ${action} ${String(content?.name ?? '')}`
  }
})

/** A tool that waits until it is aborted, and the request ids of aborted calls. */
export function waiting () {
  const aborted: string[] = []
  const tool = defineTool({
    name: 'wait',
    handler: async (_args, { log, signal, requestId }) => {
      await log('info', 'waiting')
      await new Promise<void>(resolve => { signal.addEventListener('abort', () => { resolve() }) })
      aborted.push(requestId)
      return 'never heard'
    }
  })
  return { tool, aborted }
}

export const note = defineResource({ name: 'note', uri: 'test://note', read: () => 'note' })

export interface Instance {
  readonly app: FastifyInstance
  readonly url: string
}

/** Starts instances whose deadline is longer than a busy machine needs. */
export async function sessionFleet (
  t: Test,
  redis: RedisServer,
  size: number,
  prefix: string,
  { env = {}, ...options }: AppOptions = {}
): Promise<Instance[]> {
  return await Promise.all(
    Array.from({ length: size }, async () => {
      const app = await service(t, {
        env: {
          REDIS_URL: redis.url,
          REDIS_TIMEOUT_MS: '60000',
          REDIS_PREFIX: prefix,
          DRAIN_DELAY_MS: '0',
          RATE_LIMIT_MAX: '100000',
          ...env
        },
        sessions: {},
        tools: [count, ask],
        resources: [note],
        ...options
      })
      return { app, url: await listening(app) }
    })
  )
}
