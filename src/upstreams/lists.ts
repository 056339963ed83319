/** Reads the lists of an upstream, page by page. Omits malformed items. */
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

/** An item that was omitted, with the reason. */
export interface Malformed {
  /** Its name, or its position such as `tools[3]` if it has no name. */
  readonly name: string
  readonly reason: string
}

/** The lists as the upstream sent them. */
export interface Lists {
  readonly tools: readonly Tool[]
  readonly resources: readonly Resource[]
  readonly templates: readonly ResourceTemplateType[]
  readonly prompts: readonly Prompt[]
  /** True if a list was truncated. */
  readonly isCut: boolean
  readonly malformed: readonly Malformed[]
}

export interface ListOptions {
  /** The time limit for all lists together, in milliseconds. */
  readonly timeoutMs: number
  /** The maximum size of a list in bytes. The rest is ignored. */
  readonly maxBytes: number
}

/** The maximum number of items of a kind. A longer list would keep the server busy. */
export const maxItems = 1000
const maxPages = 200

/** Reads all lists. Rejects if the upstream does not answer in time or never ends a list. */
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
    // Some servers with resources do not support the method for templates.
    templates: await list(
      resources, 'resourceTemplates', specTypeSchemas.ResourceTemplate, 'resources/templates/list'
    ).catch(() => []),
    prompts: await list(prompts, 'prompts', specTypeSchemas.Prompt),
    ...found
  }
}

/** Not the SDK's schema, in which one malformed item makes the whole page invalid. */
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
    // The last page has no cursor. A cursor that is null, empty or repeated also ends the list.
    if (typeof cursor !== 'string' || cursor === '' || seen.has(cursor)) return { items, isCut: false }
  }
  throw new Error(`It did not end ${method} after ${maxPages} pages`)
}

/** Returns the problem of an item, or `undefined` if it is valid. */
function problemOf (schema: StandardSchemaV1Sync, item: unknown): string | undefined {
  const [issue] = schema['~standard'].validate(item).issues ?? []
  if (issue === undefined) return undefined
  const path = (issue.path ?? []).map(part => String(typeof part === 'object' ? part.key : part)).join('.')
  return `${path === '' ? 'the item' : path}: ${issue.message}`
}

function nameOf (item: unknown): string | undefined {
  return isRecord(item) && typeof item.name === 'string' && item.name !== '' ? item.name : undefined
}
