/**
 * Builds the documents that clients and directories read before they connect: the registry's `server.json`,
 * the server card (SEP-2127) and the AI Catalog. They contain the name and address of the server, but not
 * what it offers.
 */
import type { EraName } from '../mcp/era-router.js'
import type { ServerInfo } from '../mcp/catalog/catalog.js'
import { revisionsOf } from '../mcp/revisions.js'

/** The credentials that the server accepts. */
export interface Accepted {
  readonly apiKeys: boolean
  readonly tokens: boolean
  /** True if clients can discover where users sign in. */
  readonly oauth: boolean
}

export interface CardFacts {
  /** The public URL of the endpoint. Never derived from a request. */
  readonly url: string
  readonly info: ServerInfo
  readonly accepted: Accepted
  /** The served eras. Default: both. */
  readonly eras?: readonly EraName[] | undefined
}

export interface Cards {
  /** For the registry of MCP servers, schema 2025-12-11. */
  readonly 'server.json': object
  /** For `<endpoint>/server-card`, schema v1. */
  readonly 'server-card': object
  /** For `/.well-known/ai-catalog.json`. */
  readonly 'ai-catalog': object
}

export const cardType = 'application/mcp-server-card+json'
export const catalogType = 'application/ai-catalog+json'
/** The location that SEP-2127 reserves, below the endpoint. */
export const cardSuffix = '/server-card'
export const catalogPath = '/.well-known/ai-catalog.json'

const schemas = 'https://static.modelcontextprotocol.io/schemas'
/** The form of names in both schemas: a namespace in reverse DNS, a slash, and a name. */
const fullName = /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/
/** The longest title or description in both schemas. */
const maxText = 100

export function cardsOf ({ url, info, accepted, eras }: CardFacts): Cards {
  const { hostname } = new URL(url)
  const name = nameOf(info.name, hostname)
  const { title, version, description = `The MCP server ${title ?? info.name}.` } = info
  const about = {
    name,
    ...(title === undefined || title === '' ? {} : { title: title.slice(0, maxText) }),
    description: description.slice(0, maxText),
    version
  }
  const headers = headersOf(accepted)
  const remote = { type: 'streamable-http', url, ...(headers.length === 0 ? {} : { headers }) }
  return {
    'server.json': { $schema: `${schemas}/2025-12-11/server.schema.json`, ...about, remotes: [remote] },
    'server-card': {
      $schema: `${schemas}/v1/server-card.schema.json`,
      ...about,
      remotes: [{ ...remote, supportedProtocolVersions: revisionsOf(eras) }]
    },
    'ai-catalog': {
      specVersion: '1.0',
      entries: [
        {
          identifier: `urn:air:${word(hostname)}:mcp:${name.slice(name.indexOf('/') + 1)}`,
          type: cardType,
          url: url + cardSuffix
        }
      ]
    }
  }
}

/** The name, with the endpoint's host as its namespace if it has none. */
function nameOf (name: string, hostname: string): string {
  if (fullName.test(name) && name.length <= 200) return name
  const namespace = /^[\d.]+$/.test(hostname) ? hostname : hostname.split('.').reverse().join('.')
  return `${word(namespace)}/${word(name).slice(0, 100) || 'mcp'}`
}

function word (text: string): string {
  return text.replace(/[^a-zA-Z0-9._-]+/g, '-').replace(/^-+|-+$/g, '')
}

/**
 * The headers that clients must send. With OAuth, clients get tokens by themselves, but can still send a key.
 */
function headersOf ({ apiKeys, tokens, oauth }: Accepted): object[] {
  const isAlone = !oauth && !(apiKeys && tokens)
  const key = { name: 'x-api-key', description: 'An API key of this server.', isRequired: isAlone, isSecret: true }
  const token = {
    name: 'Authorization',
    description: 'A token of this server.',
    isRequired: isAlone,
    isSecret: true,
    value: 'Bearer {token}',
    variables: { token: { description: 'The token.', isRequired: true, isSecret: true } }
  }
  return [...(apiKeys ? [key] : []), ...(tokens && !oauth ? [token] : [])]
}
