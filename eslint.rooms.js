/**
 * The import rules: what each room of `src` and `plugins` may import. Closed by default: a folder without a row
 * may not hold a file, and a row names everything of ours and every package that its files may take.
 *
 * The order is the architecture. A row may name only rows that stand above it, so no import runs back up.
 * A row is a folder, or one file of a folder whose files stand on different floors; the file's row wins.
 */
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

const root = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname)

/** From the ground up: `[room, what of ours it may import, which packages]`. */
export const rooms = [
  ['src/lib', '', 'proper-lockfile'],
  ['src/version.ts', '', ''],
  ['src/errors.ts', 'lib', '@fastify/error'],
  ['src/principal/credential-forms.ts', '', ''],
  ['src/log', 'lib errors principal/credential-forms', 'pino'],
  ['src/net', 'lib', 'ipaddr.js'],
  ['src/fleet', 'lib', ''],
  ['src/principal', 'lib net errors principal/credential-forms', ''],
  ['src/telemetry', 'lib errors log principal version', '@opentelemetry/api'],
  ['src/telemetry/metrics', 'lib errors version telemetry', ''],
  ['src/telemetry/audit', 'lib errors log telemetry', ''],
  ['src/tokens/claims.ts', 'lib', ''],
  ['src/tokens/token-principal.ts', 'principal tokens/claims', ''],
  ['src/tokens/provider', 'lib net errors principal tokens/claims tokens/token-principal', 'jose'],
  ['src/tokens', 'lib net errors principal principal/credential-forms tokens/claims tokens/token-principal tokens/provider', 'jose fast-jwt'],
  ['src/redis/url.ts', '', ''],
  ['src/config/types', 'lib redis/url net principal tokens tokens/provider', ''],
  ['src/config', 'lib net principal tokens config/types', '@sinclair/typebox'],
  ['src/api-keys', 'lib fleet net errors principal principal/credential-forms', 'zod'],
  ['src/freeze', 'lib principal', ''],
  ['src/ledger/records.ts', 'lib principal freeze', ''],
  ['src/ledger/index-in-memory.ts', 'lib principal freeze ledger/records', ''],
  ['src/ledger/file', 'lib ledger/records ledger/index-in-memory', ''],
  ['src/ledger', 'lib freeze errors fleet principal ledger/records ledger/index-in-memory ledger/file', 'fastify'],
  ['src/oauth', 'lib net principal tokens tokens/claims tokens/provider', 'jose'],
  ['src/oauth/server/protocol', 'lib net', ''],
  ['src/oauth/server/documents', 'lib', ''],
  ['src/oauth/server/clients', 'lib net oauth/server/protocol oauth/server/documents', 'jose'],
  ['src/oauth/server', 'lib net principal api-keys tokens/claims tokens/provider ledger/records oauth/server/protocol oauth/server/documents oauth/server/clients', 'jose'],
  ['src/limits', 'lib net errors', 'fastify @fastify/rate-limit'],
  ['src/tools', 'lib errors principal', 'zod'],
  ['src/built-ins', 'lib fleet errors principal principal/credential-forms tokens ledger ledger/records ledger/file oauth/server tools', 'zod'],
  ['src/mcp/wire', 'lib errors tools', ''],
  ['src/mcp/schemas', 'lib tools mcp/wire', 'zod ajv'],
  ['src/mcp/exchange', 'lib errors principal tools mcp/wire mcp/schemas telemetry', 'zod'],
  ['src/mcp/streams', 'lib freeze errors principal mcp/wire mcp/exchange', ''],
  ['src/mcp/era.ts', 'lib errors principal mcp/wire mcp/exchange', ''],
  ['src/mcp/catalog', 'lib freeze fleet errors principal limits tools mcp/schemas mcp/wire mcp/exchange mcp/era', 'zod'],
  ['src/mcp/endpoint.ts', 'lib principal tools mcp/catalog mcp/exchange', ''],
  ['src/mcp/slots', 'lib errors mcp/wire mcp/exchange mcp/era', ''],
  ['src/mcp/legacy/sessions', 'lib fleet errors principal mcp/wire mcp/exchange mcp/catalog mcp/slots mcp/streams mcp/era', ''],
  ['src/mcp/legacy', 'lib fleet errors principal mcp/wire mcp/exchange mcp/catalog mcp/slots mcp/streams mcp/era mcp/legacy/sessions', '@modelcontextprotocol/sdk'],
  ['src/mcp/modern', 'lib errors principal mcp/wire mcp/exchange mcp/catalog mcp/slots mcp/streams mcp/era', '@modelcontextprotocol/server'],
  ['src/mcp', 'lib freeze fleet errors principal mcp/wire mcp/exchange mcp/catalog mcp/streams mcp/era mcp/endpoint mcp/legacy mcp/legacy/sessions mcp/modern', ''],
  ['src/upstreams', 'lib version errors principal tools mcp/endpoint', 'fastify @modelcontextprotocol/client zod'],
  ['src/http', 'lib log telemetry net errors limits principal principal/credential-forms tools mcp mcp/era mcp/endpoint mcp/exchange mcp/wire mcp/catalog mcp/legacy/sessions fleet freeze mcp/streams version tokens', 'fastify pino'],
  ['src/pages', 'lib', ''],
  ['src/oauth/server/http', 'lib errors limits principal oauth/server oauth/server/protocol oauth/server/documents oauth/server/clients http pages fleet ledger/file', 'fastify @fastify/formbody'],
  ['plugins', 'lib freeze fleet log telemetry net errors version limits principal api-keys tokens tokens/claims tokens/provider oauth ledger config config/types tools built-ins mcp mcp/era mcp/endpoint mcp/wire mcp/exchange mcp/catalog mcp/streams mcp/legacy/sessions http oauth/server oauth/server/documents oauth/server/http telemetry/audit telemetry/metrics mcp/legacy', 'fastify fastify-plugin @fastify/cors @fastify/env @fastify/jwt @fastify/under-pressure'],
  ['src/workers', 'lib fleet limits principal tokens mcp/wire mcp/legacy/sessions mcp/legacy', ''],
  ['src/redis', 'lib errors fleet limits principal ledger ledger/records ledger/index-in-memory api-keys tokens mcp/legacy/sessions redis/url oauth/server/documents mcp/legacy', 'ioredis'],
  ['src/mcp-auth-options.ts', 'lib redis net tokens oauth plugins upstreams', ''],
  ['src/stores.ts', 'lib workers api-keys mcp/legacy/sessions fleet limits principal ledger tokens redis oauth/server/documents mcp/legacy', ''],
  ['src/mcp-auth-parts.ts', 'lib workers errors redis telemetry http net limits stores principal api-keys tokens tokens/claims oauth ledger tools built-ins mcp plugins mcp-auth-options tokens/provider oauth/server oauth/server/protocol oauth/server/documents freeze fleet upstreams', 'fastify'],
  ['src/mcp-auth.ts', 'workers http plugins mcp-auth-options mcp-auth-parts', 'fastify'],
  ['src/setting-files.ts', 'lib upstreams config api-keys ledger/file tokens/provider tools telemetry/audit', ''],
  ['src/app.ts', 'lib workers upstreams redis/url setting-files oauth config tools mcp http plugins mcp-auth-options mcp-auth log', 'fastify'],
  ['src/server', 'lib workers upstreams errors config http tools mcp/endpoint setting-files mcp-auth-options app', 'fastify'],
  ['src/testing', 'lib principal tools http', 'fastify'],
  ['src/index.ts', 'upstreams errors http version principal api-keys tokens oauth config tools mcp mcp/endpoint mcp/catalog mcp/legacy mcp/legacy/sessions mcp-auth-options mcp-auth app server testing', ''],
  ['src/doctor/finding.ts', '', ''],
  ['src/doctor/request.ts', 'lib', ''],
  ['src/doctor/visit.ts', 'doctor/request', ''],
  ['src/doctor/checks', 'lib doctor/finding doctor/request doctor/visit', ''],
  ['src/doctor', 'lib config api-keys setting-files doctor/finding doctor/request doctor/visit doctor/checks', ''],
  ['src/explain', 'lib principal tokens tokens/claims tools', ''],
  ['src/cli', 'lib explain fleet redis log net limits version errors principal principal/credential-forms api-keys tokens ledger ledger/records ledger/index-in-memory ledger/file config config/types http server setting-files freeze telemetry/audit oauth/server oauth/server/documents oauth/server/clients doctor doctor/finding doctor/visit upstreams', 'commander'],
  ['src/cli/keys', 'lib redis net principal api-keys tokens ledger ledger/records ledger/index-in-memory ledger/file cli', 'commander'],
  ['src/cli/tokens.ts', 'lib principal principal/credential-forms api-keys ledger ledger/records ledger/index-in-memory cli cli/keys', 'commander'],
  ['src/cli/can.ts', 'lib log net principal api-keys tokens ledger ledger/index-in-memory config explain built-ins tools setting-files cli cli/keys', 'commander'],
  ['src/cli/program.ts', 'lib version log http cli cli/keys cli/tokens cli/can', 'commander'],
  ['src/cli/main.ts', 'cli cli/program', '']
].map(([room, ours, packages]) => ({ room, ours: ours.split(' ').filter(Boolean).map(asPath), packages: packages.split(' ').filter(Boolean) }))

/** `mcp/era` -> `src/mcp/era.ts` where there is such a file, else the folder `src/mcp/era`. */
function asPath (name) {
  if (name === 'plugins') return name
  const file = `src/${name}.ts`
  return existsSync(join(root, file)) ? file : `src/${name}`
}

/** The row that a file is under: its own, or its folder's. */
export function roomOf (file) {
  return rooms.find(({ room }) => room === file) ?? rooms.find(({ room }) => room === dirname(file).split(sep).join('/'))
}

const rule = {
  meta: { type: 'problem', schema: [] },
  create (context) {
    const file = relative(root, context.filename).split(sep).join('/')
    const row = roomOf(file)
    const judge = node => {
      const from = node.source?.value
      if (typeof from !== 'string') return
      const why = row === undefined ? undefined : refusalOf(file, row, from)
      if (why !== undefined) context.report({ node, message: why })
    }
    return {
      Program (node) {
        if (row === undefined) context.report({ node, message: `No row of eslint.rooms.js says what a file in ${dirname(file)} may import.` })
      },
      ImportDeclaration: judge,
      ImportExpression: judge,
      ExportNamedDeclaration: judge,
      ExportAllDeclaration: judge,
      TSImportType: node => judge({ ...node, source: node.source ?? node.argument?.literal, loc: node.loc })
    }
  }
}

function refusalOf (file, row, from) {
  if (from.startsWith('node:')) return undefined
  if (!from.startsWith('.')) {
    const name = from.split('/').slice(0, from.startsWith('@') ? 2 : 1).join('/')
    return row.packages.includes(name) ? undefined : `${row.room} may not import the package ${name}.`
  }
  const target = relative(root, resolve(root, dirname(file), from)).split(sep).join('/').replace(/\.js$/, '.ts')
  const to = roomOf(target)
  if (to === undefined) return `${target} is in no room of eslint.rooms.js.`
  if (to === row) return row.room === 'plugins' ? 'A plugin names another in `dependencies` and uses its decorator.' : undefined
  return row.ours.includes(to.room) ? undefined : `${row.room} may not import ${to.room}: imports point one way.`
}

export const plugin = { rules: { imports: rule } }
