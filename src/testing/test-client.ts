/** A client for tests: calls an app with `inject`, without a port. */
import type { FastifyInstance } from 'fastify'
import { isRecord } from '../lib/guards.js'
import type { ResourceContents } from '../tools/content.js'
import type { ToolResult } from '../tools/tool.js'
import type { TestClientOptions } from './client-options.js'
import type { JsonObject } from './inject-mcp.js'
import { LegacySpeaker } from './legacy-speaker.js'
import { ModernSpeaker } from './modern-speaker.js'
import type { TestNotification } from './speaker.js'

/** A result, with the text of its content and the notifications before it. */
export interface TestToolResult extends ToolResult {
  readonly text: string
  readonly notifications: readonly TestNotification[]
}

/** A tool as a list shows it. */
export type ListedTool = JsonObject & { readonly name: string }

export interface TestClient {
  callTool: (name: string, args?: JsonObject) => Promise<TestToolResult>
  /** The tools that this caller can see. With `tags`, only those with one of the tags. */
  listTools: (filter?: { readonly tags?: readonly string[] }) => Promise<readonly ListedTool[]>
  listResources: () => Promise<ReadonlyArray<JsonObject & { readonly uri: string }>>
  listResourceTemplates: () => Promise<ReadonlyArray<JsonObject & { readonly uriTemplate: string }>>
  readResource: (uri: string) => Promise<JsonObject & { readonly contents: readonly ResourceContents[] }>
  listPrompts: () => Promise<ReadonlyArray<JsonObject & { readonly name: string }>>
  getPrompt: (name: string, args?: Record<string, string>) => Promise<JsonObject>
  /** Sends a request with any method. Resolves to its result. */
  request: (method: string, params?: JsonObject) => Promise<JsonObject>
  /** All notifications so far, in order. */
  readonly notifications: readonly TestNotification[]
  /** Ends the session, if there is one (legacy era). */
  close: () => Promise<void>
}

/**
 * Creates a client for an app that need not listen. Its methods reject with a `TestClientError` if a request is
 * refused.
 *
 * @example
 * const client = createTestClient(app, { key: process.env.MCP_KEY })
 * const { text } = await client.callTool('greet', { name: 'Ada' })
 */
export function createTestClient (app: FastifyInstance, options: TestClientOptions = {}): TestClient {
  const speaker = options.era === 'legacy' ? new LegacySpeaker(app, options) : new ModernSpeaker(app, options)
  let calls = 0
  const listed = (method: string, member: string) => async () => {
    const list = (await speaker.request(method, {}))[member]
    return (Array.isArray(list) ? list : []) as never
  }
  return {
    notifications: speaker.notifications,
    request: async (method, params = {}) => await speaker.request(method, params),
    listTools: async ({ tags } = {}) => {
      const tools: readonly ListedTool[] = await listed('tools/list', 'tools')()
      if (tags === undefined) return tools
      // Tags are not sent to callers, so they are read from the endpoint itself.
      const tagged = new Set(speaker.endpoints().flatMap(one => one.listTools({ tags })).map(({ name }) => name))
      return tools.filter(({ name }) => tagged.has(name))
    },
    listResources: listed('resources/list', 'resources'),
    listResourceTemplates: listed('resources/templates/list', 'resourceTemplates'),
    listPrompts: listed('prompts/list', 'prompts'),
    readResource: async uri => await speaker.request('resources/read', { uri }) as never,
    getPrompt: async (name, args = {}) => await speaker.request('prompts/get', { name, arguments: args }),
    callTool: async (name, args = {}) => {
      const notifications: TestNotification[] = []
      const meta = { progressToken: `call-${++calls}` }
      const result = await speaker.request('tools/call', { name, arguments: args }, meta, notifications)
      return { ...result, text: textOf(result.content), notifications }
    },
    close: async () => { await speaker.close() }
  }
}

function textOf (content: unknown): string {
  const blocks: unknown[] = Array.isArray(content) ? content : []
  return blocks.map(block => isRecord(block) && typeof block.text === 'string' ? block.text : '').join('')
}
