/** Type-checks the TypeScript in the docs. Each block is a module with some predefined names. */
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../', import.meta.url))
const textOf = (file: string): string => readFileSync(root + file, 'utf8')
const pages = [
  'README.md',
  ...readdirSync(`${root}docs`).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)
]

const ours = [
  'createTestClient',
  'definePrompt',
  'defineResource',
  'defineTool',
  'generateToken',
  'mcpAuth',
  'PublicToolError'
]

/** The names that blocks may use. A block may declare the same names itself. */
const globals = `
import type { FastifyInstance, RouteHandlerMethod } from 'fastify'
import type * as pkg from 'fastify-mcp-auth'
declare module 'fastify-mcp-auth' {
  interface AppContext { db: Database }
}
interface Database {
  identityOf: (digest: string) => Promise<pkg.Identity>
  invoicesOf: (tenant?: string) => Promise<string>
  isAuditor: (id: string) => Promise<boolean>
  tenantOf: (id: string) => Promise<string>
  keys: {
    findByDigest: (digest: string) => Promise<undefined | { id: string, userId: string, role: string, scopes: string[], tenant: string }>
    isLive: (keyId?: string) => Promise<boolean>
    revoke: (keyId: string) => Promise<void>
  }
}
declare global {
  ${ours.map(name => `const ${name}: typeof pkg.${name}`).join('\n')}
  const Fastify: typeof import('fastify').default
  const z: typeof import('zod').z
  const app: FastifyInstance
  const tools: pkg.Tool[]
  const greet: pkg.Tool
  const invoices: pkg.Tool
  const late: pkg.Tool
  const usage: pkg.App
  let endpoint: pkg.Endpoint
  const apiKeys: string[]
  const verifyKey: pkg.VerifyKey
  const key: string
  const secret: string
  const id: string
  const url: string
  const db: Database
  const prices: Record<string, number>
  const metrics: { observe: (name: string, ms: number) => void }
  const buildMyApp: () => Promise<FastifyInstance>
  const find: (text: string, options: { signal: AbortSignal }) => Promise<string[]>
  const findUser: (key: string) => Promise<{ id: string, role: string } | undefined>
  const getOrder: RouteHandlerMethod
  const isClosed: (tenant?: string) => boolean
  const load: (...names: string[]) => Promise<string>
  const teamsLike: (text: string) => Promise<string[]>
  const filesLike: (text: string) => Promise<string[]>
  const notesLike: (team: string | undefined, text: string) => Promise<string[]>
  const userOf: (principal: pkg.Principal) => Promise<{ name: string }>
  interface PriceService { set: (fruit: string, cents: number) => Promise<void> }
}
`

/** Wraps a block that is a member of the options in an options object. */
function moduleOf (code: string): string {
  const isMember = /^\w+: async/.test(code)
  return isMember
    ? `export const options: import('fastify-mcp-auth').McpAuthOptions = {\n${code}}\n`
    : `${code.replace(/^…$/gm, '')}\nexport {}\n`
}

/** Blocks by path. Excludes the old code of migration guides, because its packages are not installed. */
const blocks = new Map(pages.flatMap(page =>
  [...textOf(page).matchAll(/^( *)```ts\n([\s\S]*?)^ *```$/gm)]
    .map(([, , code = ''], at) => [`${root}${page}.${at + 1}.ts`, code] as const)
    .filter(([, code]) => !/from '(?:fastmcp|@rekog|@modelcontextprotocol)|NestFactory/.test(code))
    .map(([file, code]) => [file, moduleOf(code)] as const)))
const sources = new Map([[`${root}docs/globals.ts`, globals], ...blocks])

const settings = JSON.parse(textOf('tsconfig.json')) as { compilerOptions: Record<string, unknown> }
const options: ts.CompilerOptions = {
  ...ts.convertCompilerOptionsFromJson(settings.compilerOptions, root).options,
  noEmit: true,
  incremental: false,
  composite: false,
  noUnusedLocals: false,
  noUnusedParameters: false,
  paths: { 'fastify-mcp-auth': [`${root}src/index.ts`], 'fastify-mcp-auth/plugins/*': [`${root}plugins/*.ts`] }
}
const host = ts.createCompilerHost(options)
const program = ts.createProgram([...sources.keys()], options, {
  ...host,
  fileExists: file => sources.has(file) || host.fileExists(file),
  readFile: file => sources.get(file) ?? host.readFile(file),
  getSourceFile: (file, target) => {
    const text = sources.get(file)
    return text === undefined ? host.getSourceFile(file, target) : ts.createSourceFile(file, text, target)
  }
})

t.test('the documentation contains code blocks', async t => { t.ok(blocks.size > 20) })

for (const file of sources.keys()) {
  t.test(`${file.slice(root.length)} type-checks`, async t => {
    const source = program.getSourceFile(file)
    const faults = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
    t.same(faults.map(({ messageText, start = 0 }) => {
      const { line = 0 } = source?.getLineAndCharacterOfPosition(start) ?? {}
      return `${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    }), [])
  })
}
