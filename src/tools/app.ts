/** MCP Apps: a tool with a page that shows its results (extension io.modelcontextprotocol/ui, 2026-01-26). */
import { readFileSync } from 'node:fs'
import { codeOf, isListOf, isRecord } from '../lib/guards.js'
import { type OptionNames, requireKeys } from '../lib/require.js'
import { isLoopback } from '../net/loopback.js'
import type { Meta } from './content.js'
import type { FixedResource } from './resource.js'
import type { Tool } from './tool.js'

export const appType = 'text/html;profile=mcp-app'
export const appsExtension = 'io.modelcontextprotocol/ui'

/**
 * Origins that the page may access, such as `https://api.example.com` or `https://*.example.com`. Default
 * none.
 */
export interface AppCsp {
  /** For requests by its scripts, including `wss:`. */
  readonly connectDomains?: readonly string[]
  /** For scripts, styles, images and fonts. */
  readonly resourceDomains?: readonly string[]
  /** For nested frames. */
  readonly frameDomains?: readonly string[]
  /** For its base URL. */
  readonly baseUriDomains?: readonly string[]
}

export interface AppDefinition {
  /** 1 to 64 of `A-Z a-z 0-9 _ -`; the page is `ui://apps/<name>`. */
  readonly name: string
  readonly title?: string
  readonly description?: string
  /** The tool whose results the page shows. Only callers who may call it get the page. */
  readonly tool: Tool
  /** The page: an HTML document with inline scripts and styles. Set either `html` or `file`. */
  readonly html?: string
  /** The file of the page, read once when the app is defined. */
  readonly file?: string | URL
  readonly csp?: AppCsp
  /** Browser permissions that the page requests. The host may refuse them. Default none. */
  readonly permissions?: ReadonlyArray<'camera' | 'microphone' | 'geolocation' | 'clipboardWrite'>
  /** The origin for the page, in the format of the host. Default: chosen by the host. */
  readonly domain?: string
  /** Whether the host draws a border. Default: chosen by the host. */
  readonly prefersBorder?: boolean
}

/** The result of `defineApp`, for the option `apps`. */
export interface App {
  readonly name: string
  readonly tool: Tool
  readonly view: FixedResource
}

const known: OptionNames<AppDefinition> = {
  name: true,
  title: true,
  description: true,
  tool: true,
  html: true,
  file: true,
  csp: true,
  permissions: true,
  domain: true,
  prefersBorder: true
}
const directives: Readonly<Record<keyof AppCsp, string | undefined>> = {
  connectDomains: 'connect_domains',
  resourceDomains: 'resource_domains',
  frameDomains: 'frame_domains',
  baseUriDomains: undefined
}
const permissionNames: readonly unknown[] = ['camera', 'microphone', 'geolocation', 'clipboardWrite']

/**
 * Defines an app from a tool and its page. Throws a `TypeError` that names the invalid field.
 *
 * @example
 * const usage = defineApp({ name: 'usage', tool: usageTool, file: new URL('usage.html', import.meta.url) })
 * await startServer({ apps: [usage], tools: [refreshUsage] })
 */
export function defineApp (definition: AppDefinition): App {
  requireKeys('App', definition, known)
  const { name, title, description, tool, csp = {}, permissions = [], domain, prefersBorder } = definition
  if (typeof name !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new TypeError('App: name must be 1 to 64 of A-Z a-z 0-9 _ -')
  }
  const owner = `App "${name}"`
  if (!isRecord(tool)) throw new TypeError(`${owner}: tool must be an object, such as the result of defineTool`)
  if (!isListOf(permissions, one => permissionNames.includes(one))) {
    throw new TypeError(`${owner}: permissions can be ${permissionNames.join(', ')}`)
  }
  if (domain !== undefined && typeof domain !== 'string') throw new TypeError(`${owner}: domain must be a string`)
  if (prefersBorder !== undefined && typeof prefersBorder !== 'boolean') {
    throw new TypeError(`${owner}: prefersBorder must be true or false`)
  }
  const text = pageOf(owner, definition)
  const uri = `ui://apps/${name}`
  const _meta = viewMeta({ csp: checkedCsp(owner, csp), permissions, domain, prefersBorder })
  return Object.freeze({
    name,
    tool: linked(tool, uri),
    view: {
      name,
      ...(title === undefined ? {} : { title }),
      ...(description === undefined ? {} : { description }),
      uri,
      mimeType: appType,
      size: Buffer.byteLength(text),
      _meta,
      read: () => ({ mimeType: appType, text, _meta })
    }
  })
}

/** The tool with the URI of its page, in both forms that hosts read. */
function linked (tool: Tool, resourceUri: string): Tool {
  const { _meta = {} } = tool
  const ui = isRecord(_meta.ui) ? _meta.ui : {}
  // Keeps the prototype, because a tool may be a class instance with its handler as a method.
  const copy = Object.create(Object.getPrototypeOf(tool) as object | null) as Tool
  return Object.assign(copy, tool, {
    _meta: { ..._meta, ui: { ...ui, resourceUri }, 'ui/resourceUri': resourceUri }
  })
}

interface ViewMeta {
  readonly csp: AppCsp
  readonly permissions: readonly string[]
  readonly domain: string | undefined
  readonly prefersBorder: boolean | undefined
}

/** Always includes a policy, closed by default, because ChatGPT requires one (`openai/widgetCSP`). */
function viewMeta ({ csp, permissions, domain, prefersBorder }: ViewMeta): Meta {
  const legacy = Object.entries(directives).flatMap(([ours, theirs]) => {
    const domains = csp[ours as keyof AppCsp]
    return theirs === undefined || domains === undefined ? [] : [[theirs, domains] as const]
  })
  return {
    ui: {
      csp,
      ...(permissions.length === 0 ? {} : { permissions: Object.fromEntries(permissions.map(one => [one, {}])) }),
      ...(domain === undefined ? {} : { domain }),
      ...(prefersBorder === undefined ? {} : { prefersBorder })
    },
    'openai/widgetCSP': Object.fromEntries(legacy)
  }
}

/** Hosts put these values into a header, so characters that could end a directive are refused. */
function checkedCsp (owner: string, csp: unknown): AppCsp {
  requireKeys(`${owner}: csp`, csp, directives)
  for (const [name, domains] of Object.entries(csp)) {
    if (!isListOf(domains, isOrigin)) {
      throw new TypeError(
        `${owner}: csp.${name} must be an array of origins, such as https://api.example.com or https://*.example.com`
      )
    }
  }
  return { connectDomains: [], resourceDomains: [], ...csp }
}

function isOrigin (value: unknown): boolean {
  if (typeof value !== 'string' || !/^(?:https?|wss?):\/\/[A-Za-z0-9.*:[\]-]+$/.test(value)) return false
  const plain = value.replace('://*.', '://any.')
  if (plain.includes('*') || !URL.canParse(plain)) return false
  const { protocol, hostname } = new URL(plain)
  return protocol === 'https:' || protocol === 'wss:' || isLoopback(hostname)
}

function pageOf (owner: string, { html, file }: AppDefinition): string {
  if ((html === undefined) === (file === undefined)) throw new TypeError(`${owner} requires either html or file`)
  const text = html ?? textOf(owner, file ?? '')
  if (typeof text !== 'string' || text.trim() === '') throw new TypeError(`${owner}: html must be an HTML document`)
  return text
}

function textOf (owner: string, file: string | URL): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new TypeError(`${owner}: file cannot be read (${codeOf(error)})`)
  }
}
