/** The clients of both SDKs behind one interface, each set up as in its docs. */
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
  type VersionNegotiationOptions
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'

export interface CallOptions {
  readonly onprogress?: (progress: { progress: number }) => void
  readonly signal?: AbortSignal
}

export interface Called {
  readonly text: string
  readonly isError: boolean
}

export interface Connected {
  readonly era: 'legacy' | 'modern'
  tools: () => Promise<string[]>
  call: (name: string, args?: Record<string, unknown>, options?: CallOptions) => Promise<Called>
  resources: () => Promise<string[]>
  templates: () => Promise<string[]>
  read: (uri: string) => Promise<string>
  prompts: () => Promise<string[]>
  prompt: (name: string, args: Record<string, string>) => Promise<string>
  complete: (prompt: string, argument: { name: string, value: string }) => Promise<string[]>
  close: () => Promise<void>
}

export interface ConnectOptions {
  readonly url: string
  readonly headers: Record<string, string>
  /** Answers elicitation requests. Without it, the client does not declare elicitation. */
  readonly onElicit?: (message: string) => { action: 'accept' | 'decline', content?: Record<string, string> }
}

export type Connect = (options: ConnectOptions) => Promise<Connected>

const info = { name: 'fastify-mcp-auth-tests', version: '0' }
const elicitation = { elicitation: {} }

const connectV1: Connect = async ({ url, headers, onElicit }) => {
  const client = new Client(info, { capabilities: onElicit === undefined ? {} : elicitation })
  if (onElicit !== undefined) client.setRequestHandler(ElicitRequestSchema, ({ params }) => onElicit(params.message))
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } })
  // The SDK's types disagree about a field that may be undefined.
  await client.connect(transport as Parameters<Client['connect']>[0])
  return face(client, 'legacy')
}

function connectV2 (versionNegotiation?: VersionNegotiationOptions): Connect {
  return async ({ url, headers, onElicit }) => {
    const client = new ModernClient(info, {
      capabilities: onElicit === undefined ? {} : elicitation,
      ...(versionNegotiation === undefined ? {} : { versionNegotiation })
    })
    if (onElicit !== undefined) client.setRequestHandler('elicitation/create', ({ params }) => onElicit(params.message))
    await client.connect(new ModernTransport(new URL(`${url}/mcp`), { requestInit: { headers } }))
    return face(client, client.getProtocolEra() ?? 'legacy')
  }
}

/** The common part of both clients. */
interface SdkClient {
  listTools: () => Promise<{ tools: Array<{ name: string }> }>
  listResources: () => Promise<{ resources: Array<{ uri: string }> }>
  listResourceTemplates: () => Promise<{ resourceTemplates: Array<{ uriTemplate: string }> }>
  listPrompts: () => Promise<{ prompts: Array<{ name: string }> }>
  readResource: (params: { uri: string }) => Promise<{ contents: object[] }>
  getPrompt: (params: {
    name: string
    arguments: Record<string, string>
  }) => Promise<{ messages: Array<{ content: object }> }>
  complete: (params: {
    ref: { type: 'ref/prompt'; name: string }
    argument: { name: string; value: string }
  }) => Promise<{ completion: { values: string[] } }>
  close: () => Promise<void>
}

function face (client: Client | ModernClient, era: Connected['era']): Connected {
  const sdk: SdkClient = client
  return {
    era,
    tools: async () => (await sdk.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, options = {}) => {
      const params = { name, arguments: args }
      const { content, isError } =
        client instanceof Client
          ? await client.callTool(params, undefined, options)
          : await client.callTool(params, options)
      return { text: textOf(content), isError: isError === true }
    },
    resources: async () => (await sdk.listResources()).resources.map(({ uri }) => uri),
    templates: async () =>
      (await sdk.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    read: async uri => textOf((await sdk.readResource({ uri })).contents),
    prompts: async () => (await sdk.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name, args) =>
      textOf((await sdk.getPrompt({ name, arguments: args })).messages.map(({ content }) => content)),
    complete: async (name, argument) =>
      (await sdk.complete({ ref: { type: 'ref/prompt', name }, argument })).completion.values,
    close: async () => {
      await sdk.close()
    }
  }
}

function textOf (blocks: unknown): string {
  return Array.isArray(blocks) ? blocks.map((block: { text?: string }) => block.text ?? '').join('') : ''
}

/** Each client, with the era that it must negotiate. */
export const clients: Array<[string, Connected['era'], Connect]> = [
  ['the v1 client', 'legacy', connectV1],
  ['the v2 client', 'legacy', connectV2()],
  ['the v2 client on auto', 'modern', connectV2({ mode: 'auto' })],
  ['the v2 client pinned to 2026-07-28', 'modern', connectV2({ mode: { pin: '2026-07-28' } })]
]
