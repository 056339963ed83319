/**
 * The import rules: what each folder of `src` and `plugins` may import. Closed by default: a folder without a row
 * may not contain files, and a row lists every folder, file and package that its files may import.
 *
 * A row may name only rows above it, so imports point one way. A row is for a folder, or for one file whose rules
 * differ from those of its folder.
 */
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

const root = import.meta.dirname ?? dirname(new URL(import.meta.url).pathname)

/** From the lowest layer up: `[folder or file, our folders and files that it may import, packages]`. */
export const rooms = [
  ['src/lib', '', 'proper-lockfile zod'],
  ['src/version.ts', '', ''],
  ['src/errors.ts', '', '@fastify/error'],
  ['src/to-refusal.ts', 'lib errors', ''],
  ['src/principal/credential-forms.ts', '', ''],
  ['src/log', 'lib principal/credential-forms', ''],
  ['src/net', '', 'ipaddr.js'],
  ['src/fleet', 'lib', ''],
  ['src/principal', 'lib', ''],
  ['src/app-keys', 'lib errors fleet principal', ''],
  ['src/telemetry', 'lib version errors log principal', '@opentelemetry/api'],
  ['src/telemetry/metrics', 'version errors telemetry', ''],
  ['src/telemetry/audit', 'lib log telemetry', ''],
  ['src/tokens/claims.ts', 'lib', ''],
  ['src/tokens/token-principal.ts', 'principal tokens/claims', ''],
  ['src/tokens/provider', 'lib errors net principal tokens/claims tokens/token-principal', 'jose'],
  ['src/tokens',
    'lib principal/credential-forms principal tokens/claims tokens/token-principal tokens/provider',
    'fast-jwt'],
  ['src/redis/link/url.ts', '', ''],
  ['src/config/types', 'lib net principal tokens redis/link/url', ''],
  ['src/config', 'lib net principal tokens config/types', ''],
  ['src/api-keys', 'lib principal/credential-forms net fleet principal', ''],
  ['src/freeze', 'principal', ''],
  ['src/ledger/records.ts', 'lib principal freeze', ''],
  ['src/ledger/index-in-memory.ts', 'principal freeze ledger/records', ''],
  ['src/ledger/file', 'lib ledger/records ledger/index-in-memory', ''],
  ['src/ledger', 'fleet principal freeze ledger/records ledger/index-in-memory ledger/file', 'fastify'],
  ['src/oauth', 'lib net principal tokens/claims tokens/provider', ''],
  ['src/oauth/server/protocol', 'net', ''],
  ['src/oauth/server/documents', 'lib', ''],
  ['src/oauth/server/clients', 'lib net oauth/server/protocol oauth/server/documents', 'jose'],
  ['src/oauth/server',
    'lib net principal app-keys tokens/claims tokens/provider api-keys ledger/records oauth/server/protocol ' +
    'oauth/server/documents oauth/server/clients',
    'jose'],
  ['src/limits', 'lib errors net', '@fastify/rate-limit fastify'],
  ['src/tools', 'lib net principal', 'zod'],
  ['src/demo', 'lib tools', ''],
  ['src/built-ins',
    'lib errors principal/credential-forms fleet principal tokens ledger/records ledger/file ledger ' +
    'oauth/server tools',
    ''],
  ['src/mcp/wire', 'lib errors tools', ''],
  ['src/mcp/schemas', 'lib tools mcp/wire', 'ajv zod'],
  ['src/mcp/exchange', 'lib errors to-refusal principal telemetry tools mcp/wire mcp/schemas', ''],
  ['src/mcp/streams', 'lib errors principal freeze mcp/wire mcp/exchange', ''],
  ['src/mcp/era.ts', 'principal mcp/wire mcp/exchange', ''],
  ['src/mcp/calls', 'lib errors principal limits tools mcp/wire mcp/schemas mcp/exchange', ''],
  ['src/mcp/catalog',
    'lib errors fleet principal freeze limits tools mcp/wire mcp/schemas mcp/exchange mcp/era mcp/calls',
    ''],
  ['src/mcp/endpoint.ts', 'lib principal tools mcp/exchange mcp/calls mcp/catalog', ''],
  ['src/mcp/served.ts', 'mcp/endpoint', ''],
  ['src/mcp/slots', 'errors to-refusal mcp/wire mcp/exchange', ''],
  ['src/mcp/legacy/sessions',
    'lib errors to-refusal fleet principal mcp/wire mcp/exchange mcp/streams mcp/era mcp/catalog mcp/slots',
    ''],
  ['src/mcp/legacy',
    'lib errors fleet mcp/wire mcp/exchange mcp/streams mcp/era mcp/catalog mcp/slots mcp/legacy/sessions',
    '@modelcontextprotocol/sdk'],
  ['src/mcp/modern',
    'lib errors to-refusal mcp/wire mcp/exchange mcp/streams mcp/era mcp/catalog mcp/slots',
    '@modelcontextprotocol/server'],
  ['src/mcp',
    'errors fleet freeze mcp/wire mcp/streams mcp/era mcp/catalog mcp/legacy/sessions mcp/legacy mcp/modern',
    ''],
  ['src/upstreams/transport', 'lib', '@modelcontextprotocol/client'],
  ['src/upstreams/watching', '', '@modelcontextprotocol/client'],
  ['src/upstreams',
    'lib version errors principal tools mcp/endpoint upstreams/transport upstreams/watching',
    '@modelcontextprotocol/client fastify'],
  ['src/cards', 'mcp/catalog mcp', ''],
  ['src/lint', 'lib config tools mcp/schemas', ''],
  ['src/http/request',
    'lib errors principal/credential-forms net principal tools mcp/wire mcp/exchange mcp/era',
    'fastify'],
  ['src/routes', 'lib errors tools mcp/schemas http/request', 'fastify'],
  ['src/http',
    'lib version errors to-refusal log telemetry mcp/wire mcp/exchange mcp/catalog http/request',
    'fastify'],
  ['src/http/endpoint',
    'lib errors fleet principal app-keys telemetry tokens freeze limits tools mcp/wire mcp/exchange mcp/streams ' +
    'mcp/calls mcp/catalog mcp/endpoint mcp/legacy/sessions mcp http/request http',
    'fastify'],
  ['src/pages', '', ''],
  ['src/oauth/server/http',
    'errors to-refusal fleet principal ledger/file oauth/server/protocol oauth/server/documents ' +
    'oauth/server/clients oauth/server limits http/request http pages',
    '@fastify/formbody fastify'],
  ['plugins',
    'lib errors net fleet principal app-keys telemetry telemetry/metrics telemetry/audit tokens/claims ' +
    'tokens/provider tokens config api-keys ledger oauth oauth/server/documents oauth/server limits tools ' +
    'mcp/streams mcp/endpoint mcp/served cards http/request routes http http/endpoint oauth/server/http',
    '@fastify/cors @fastify/env @fastify/jwt @fastify/under-pressure fastify fastify-plugin'],
  ['src/workers', 'fleet principal tokens limits mcp/wire mcp/legacy/sessions', ''],
  ['src/redis/link', 'lib fleet redis/link/url', 'ioredis'],
  ['src/redis',
    'lib errors fleet principal tokens api-keys ledger/records ledger/index-in-memory ledger ' +
    'oauth/server/documents limits mcp/legacy/sessions redis/link',
    ''],
  ['src/chain',
    'lib errors net fleet principal telemetry tokens/claims tokens/provider tokens api-keys freeze ' +
    'ledger/records ledger oauth oauth/server/protocol oauth/server/documents oauth/server limits tools built-ins ' +
    'mcp/legacy/sessions mcp upstreams http http/endpoint plugins workers redis/link redis',
    'fastify'],
  ['src/mcp-auth.ts', 'http plugins chain', 'fastify'],
  ['src/setting-files.ts', 'lib telemetry/audit tokens/provider config api-keys ledger/file tools upstreams', ''],
  ['src/setting-secrets.ts', 'config redis/link/url', ''],
  ['src/settings',
    'log config oauth tools mcp/catalog mcp http plugins workers chain setting-files setting-secrets',
    ''],
  ['src/app.ts',
    'lib config tools http plugins workers chain mcp-auth setting-files setting-secrets settings',
    'fastify'],
  ['src/server', 'lib config tools mcp/endpoint http workers setting-files app', 'fastify'],
  ['src/testing', 'lib principal tools mcp/endpoint mcp/served http/request', 'fastify'],
  ['src/index.ts',
    'lib version errors principal app-keys tokens/claims tokens config api-keys oauth tools mcp/calls mcp/catalog ' +
    'mcp/legacy/sessions mcp lint http/request chain mcp-auth settings app server testing',
    ''],
  ['src/doctor/finding.ts', '', ''],
  ['src/doctor/request.ts', 'lib', ''],
  ['src/doctor/answer.ts', 'doctor/request', ''],
  ['src/doctor/visit.ts', 'doctor/request', ''],
  ['src/doctor/checks', 'doctor/finding doctor/request doctor/answer doctor/visit', ''],
  ['src/doctor',
    'lib config api-keys setting-files redis/link doctor/finding doctor/request doctor/visit doctor/checks',
    ''],
  ['src/explain', 'lib principal tokens/claims tokens tools', ''],
  ['src/cli/terminal', 'lib config', 'commander'],
  ['src/cli/state',
    'lib fleet telemetry telemetry/audit config ledger/records ledger/index-in-memory ledger ' +
    'oauth/server/documents redis/link redis setting-secrets cli/terminal',
    ''],
  ['src/cli/serve', 'lib config demo upstreams setting-files server cli/terminal', 'commander'],
  ['src/cli/keys',
    'lib net principal tokens api-keys ledger/index-in-memory redis cli/terminal cli/state',
    'commander'],
  ['src/cli/access',
    'lib principal/credential-forms net principal tokens config api-keys freeze ledger/records ledger ' +
    'oauth/server/clients oauth/server limits tools cli/terminal cli/state cli/keys',
    'commander'],
  ['src/cli/inspect',
    'lib log net principal telemetry/audit config api-keys ledger/index-in-memory ledger tools built-ins ' +
    'upstreams cards lint setting-files settings app doctor/finding doctor/visit doctor explain cli/terminal ' +
    'cli/state cli/keys',
    'commander'],
  ['src/cli', 'lib version log cli/terminal cli/serve cli/keys cli/access cli/inspect', 'commander']
].map(([room, ours, packages]) => ({ room, ours: words(ours).map(asPath), packages: words(packages) }))

/** Loads modules of the user, so what it imports is known only when it runs. */
const loader = 'src/cli/inspect/lint.ts'

function words (text) {
  return text.split(' ').filter(Boolean)
}

/** `mcp/era` is the file `src/mcp/era.ts` if it exists, otherwise the folder `src/mcp/era`. */
function asPath (name) {
  if (name === 'plugins') return name
  const file = `src/${name}.ts`
  return existsSync(join(root, file)) ? file : `src/${name}`
}

/** The row of a file: its own, or that of its folder. */
export function roomOf (file) {
  const folder = dirname(file).split(sep).join('/')
  return rooms.find(({ room }) => room === file) ?? rooms.find(({ room }) => room === folder)
}

const rule = {
  meta: { type: 'problem', schema: [] },
  create (context) {
    const file = relative(root, context.filename).split(sep).join('/')
    const row = roomOf(file)
    const judge = (node, source) => {
      if (row === undefined || source === undefined || source === null) return
      const from = textOf(source)
      const why = from === undefined ? refusalOfComputed(file) : refusalOf(file, row, from)
      if (why !== undefined) context.report({ node, message: why })
    }
    const judgeSource = node => judge(node, node.source)
    return {
      Program (node) {
        const why = refusalOfFile(file, row)
        if (why !== undefined) context.report({ node, message: why })
      },
      ImportDeclaration: judgeSource,
      ImportExpression: judgeSource,
      ExportNamedDeclaration: judgeSource,
      ExportAllDeclaration: judgeSource,
      TSImportType: node => judge(node, node.source ?? node.argument?.literal),
      TSExternalModuleReference: node => judge(node, node.expression)
    }
  }
}

/** The text of a literal, or of a template without expressions; `undefined` if it is computed. */
function textOf (source) {
  if (source.type === 'TemplateLiteral' && source.expressions.length === 0) return source.quasis[0].value.cooked
  return typeof source.value === 'string' ? source.value : undefined
}

function refusalOfFile (file, row) {
  if (row === undefined) return `No row of eslint.rooms.js says what a file in ${dirname(file)} may import.`
  return file.endsWith('.ts') ? undefined : `${file} must be a .ts file: no other kind is checked and compiled.`
}

function refusalOfComputed (file) {
  return file === loader ? undefined : `Only ${loader} may import a module whose name is computed.`
}

function refusalOf (file, row, from) {
  if (from === 'node:module') return 'Use `import`: what `require` loads is not checked.'
  if (from.startsWith('node:')) return undefined
  if (!from.startsWith('.')) {
    const name = from.split('/').slice(0, from.startsWith('@') ? 2 : 1).join('/')
    return row.packages.includes(name) ? undefined : `${row.room} may not import the package ${name}.`
  }
  const target = relative(root, resolve(root, dirname(file), from)).split(sep).join('/').replace(/\.js$/, '.ts')
  const to = roomOf(target)
  if (to === undefined) return `${target} has no row in eslint.rooms.js.`
  if (to === row && row.room === 'plugins') return 'A plugin names another in `dependencies` and uses its decorator.'
  if (to === row) return undefined
  return row.ours.includes(to.room) ? undefined : `${row.room} may not import ${to.room}: imports point one way.`
}

export const plugin = { rules: { imports: rule } }
