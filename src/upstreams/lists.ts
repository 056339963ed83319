/** Asks an upstream for its lists, page by page. A malformed item is left out, the others are kept. */
import {
  type Client,
  type Prompt,
  type Resource,
  type ResourceTemplateType,
  specTypeSchemas,
  type StandardSchemaV1Sync,
  type Tool
} from '@modelcontextprotocol/client'
import { isRecord } from '../lib/guards.js'
import { z } from '../lib/zod.js'

/** An item that cannot be used, and why. */
export interface Malformed {
  /** Its name, or its place in the list where it has none. */
  readonly name: string
  readonly reason: string
}

/** The lists of an upstream as it gave them. */
export interface Lists {
  readonly tools: readonly Tool[]
  readonly resources: readonly Resource[]
  readonly templates: readonly ResourceTemplateType[]
  readonly prompts: readonly Prompt[]
  /** True where a list was longer than what is taken of it. */
  readonly isCut: boolean
  readonly malformed: readonly Malformed[]
}

export interface ListOptions {
  /** Milliseconds for all pages of all lists together. */
  readonly timeoutMs: number
  /** What is taken of one list, in bytes. */
  readonly maxBytes: number
}

/** Items of one kind that are taken of one upstream; a longer list would keep the server busy with itself. */
export const maxItems = 1000
const maxPages = 200

/** Asks for all lists that the upstream has. Rejects where it does not answer in time, or never ends a list. */
export async function listsOf (client: Client, { timeoutMs, maxBytes }: ListOptions): Promise<Lists> {
  const { tools, resources, prompts } = client.getServerCapabilities() ?? {}
  const options = { timeout: timeoutMs, signal: AbortSignal.timeout(timeoutMs) }
  const found = { isCut: false, malformed: [] as Malformed[] }
  const list = async <T>(
    capability: object | undefined,
    member: string,
    schema: StandardSchemaV1Sync<unknown, T>,
    method = `${member}/list`
  ): Promise<T[]> => {
    if (capability === undefined) return []
    const { items, isCut } = await allPages(client, method, member, options, maxBytes)
    found.isCut ||= isCut
    return items.flatMap((item, n) => {
      const problem = problemOf(schema, item)
      if (problem === undefined) return [item as T]
      found.malformed.push({ name: nameOf(item) ?? `${member}[${n}]`, reason: problem })
      return []
    })
  }
  return {
    tools: await list(tools, 'tools', specTypeSchemas.Tool),
    resources: await list(resources, 'resources', specTypeSchemas.Resource),
    // Some servers have resources and do not know the method of templates.
    templates: await list(
      resources, 'resourceTemplates', specTypeSchemas.ResourceTemplate, 'resources/templates/list'
    ).catch(() => []),
    prompts: await list(prompts, 'prompts', specTypeSchemas.Prompt),
    ...found
  }
}

/** Not the schema of the protocol: one item that does not fit would make the whole page invalid. */
const pageSchema = z.looseObject({ nextCursor: z.unknown().optional() })

async function allPages (
  client: Client,
  method: string,
  member: string,
  options: { readonly timeout: number, readonly signal: AbortSignal },
  maxBytes: number
): Promise<{ items: unknown[], isCut: boolean }> {
  const items: unknown[] = []
  const seen = new Set<unknown>()
  let bytes = 0
  for (let cursor: unknown; seen.size < maxPages; seen.add(cursor)) {
    const page = await client.request(
      { method, ...(cursor === undefined ? {} : { params: { cursor } }) }, pageSchema, options
    )
    const listed: unknown = page[member]
    if (!Array.isArray(listed)) throw new Error(`It answered ${method} without a list`)
    bytes += JSON.stringify(listed).length
    items.push(...listed.slice(0, maxItems + 1 - items.length))
    if (items.length > maxItems || bytes > maxBytes) return { items: items.slice(0, maxItems), isCut: true }
    cursor = page.nextCursor
    // The spec ends a list by leaving the cursor out; `null`, an empty one, and one that was there before end it, too.
    if (typeof cursor !== 'string' || cursor === '' || seen.has(cursor)) return { items, isCut: false }
  }
  throw new Error(`It did not end ${method} after ${maxPages} pages`)
}

/** `undefined` for an item that is as the protocol has it. */
function problemOf (schema: StandardSchemaV1Sync, item: unknown): string | undefined {
  const [issue] = schema['~standard'].validate(item).issues ?? []
  if (issue === undefined) return undefined
  const path = (issue.path ?? []).map(part => String(typeof part === 'object' ? part.key : part)).join('.')
  return `${path === '' ? 'the item' : path}: ${issue.message}`
}

function nameOf (item: unknown): string | undefined {
  return isRecord(item) && typeof item.name === 'string' && item.name !== '' ? item.name : undefined
}
