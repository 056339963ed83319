/** `server.json`, the server card and the catalog, which clients read before they connect. */
import t from 'tap'
import { type CardFacts, cardsOf } from '../../../src/cards/cards.js'

const facts: CardFacts = {
  url: 'https://mcp.example.com/mcp',
  info: { name: 'com.example/notes', version: '1.2.0', title: 'Notes', description: 'Reads and writes notes.' },
  accepted: { apiKeys: true, tokens: false, oauth: false }
}

t.test('server.json, the card and the catalog agree', async t => {
  const about = {
    name: 'com.example/notes',
    title: 'Notes',
    description: 'Reads and writes notes.',
    version: '1.2.0'
  }
  const headers = [
    { name: 'x-api-key', description: 'An API key of this server.', isRequired: true, isSecret: true }
  ]
  const remote = { type: 'streamable-http', url: 'https://mcp.example.com/mcp', headers }
  t.same(cardsOf(facts), {
    'server.json': {
      $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
      ...about,
      remotes: [remote]
    },
    'server-card': {
      $schema: 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json',
      ...about,
      remotes: [
        {
          ...remote,
          supportedProtocolVersions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']
        }
      ]
    },
    'ai-catalog': {
      specVersion: '1.0',
      entries: [
        {
          identifier: 'urn:air:mcp.example.com:mcp:notes',
          type: 'application/mcp-server-card+json',
          url: 'https://mcp.example.com/mcp/server-card'
        }
      ]
    }
  })
})

t.test('the card omits an era that is not served', async t => {
  t.same(remoteOf({ ...facts, eras: ['modern'] }).supportedProtocolVersions, ['2026-07-28'])
  t.notOk((remoteOf({ ...facts, eras: ['legacy'] }).supportedProtocolVersions ?? []).includes('2026-07-28'))
})

const names = [
  ['notes', 'https://mcp.example.com/mcp', 'com.example.mcp/notes'],
  ['my notes, really', 'https://mcp.example.com/mcp', 'com.example.mcp/my-notes-really'],
  ['a/b/c', 'https://mcp.example.com/mcp', 'com.example.mcp/a-b-c'],
  ['…', 'https://mcp.example.com/mcp', 'com.example.mcp/mcp'],
  ['notes', 'http://127.0.0.1:3000/mcp', '127.0.0.1/notes'],
  ['notes', 'http://[::1]:3000/mcp', '1/notes']
] as const
for (const [name, url, expected] of names) {
  t.test(`the server ${JSON.stringify(name)} at ${url} is ${expected}`, async t => {
    const { 'server.json': registry } = cardsOf({ ...facts, url, info: { name, version: '1.0.0' } })
    t.equal((registry as { name: string }).name, expected)
    t.match(expected, /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/)
  })
}

t.test('a missing description is generated, and texts are limited', async t => {
  const plain = cardsOf({ ...facts, info: { name: 'notes', version: '1.0.0' } })['server.json']
  t.match(plain, { description: 'The MCP server notes.' })
  t.notOk('title' in plain)
  const info = { name: 'n', version: '1', title: 't'.repeat(300), description: 'd'.repeat(300) }
  const long = cardsOf({ ...facts, info })
  t.match(long['server-card'], { title: 't'.repeat(100), description: 'd'.repeat(100) })
})

t.test('the card lists headers for accepted credentials only', async t => {
  const of = (apiKeys: boolean, tokens: boolean, oauth: boolean): Array<readonly [string, boolean]> =>
    (remoteOf({ ...facts, accepted: { apiKeys, tokens, oauth } }).headers ?? []).map(one => [one.name, one.isRequired])
  t.same(of(true, false, false), [['x-api-key', true]])
  t.same(of(false, true, false), [['Authorization', true]])
  t.same(of(true, true, false), [['x-api-key', false], ['Authorization', false]])
  t.same(of(true, true, true), [['x-api-key', false]])
  t.same(of(false, true, true), [])
})

interface Remote {
  readonly supportedProtocolVersions?: readonly string[]
  readonly headers?: ReadonlyArray<{ name: string, isRequired: boolean }>
}

function remoteOf (given: CardFacts): Remote {
  const { remotes: [remote = {}] } = cardsOf(given)['server-card'] as { remotes: Remote[] }
  return remote
}
