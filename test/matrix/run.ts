/**
 * `npm run matrix -- [--node 24] [name…]`: installs the packed package in several kinds of projects,
 * type-checks them, and starts and calls the server. With `--node`, everything runs on that version of Node.
 * Needs a registry, and takes some minutes.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { createTemplates } from './create.js'
import { wrongPeers } from './wrong-peers.js'

const run = promisify(execFile)
const root = new URL('../../', import.meta.url).pathname

interface Case {
  readonly name: string
  readonly manager: 'npm' | 'yarn' | 'pnpm'
  readonly fastify: string
  readonly typescript: string
  /** The compiler options of the project. */
  readonly options: Readonly<Record<string, unknown>>
  readonly isCommonJs?: boolean
}

const esm = { module: 'nodenext', moduleResolution: 'nodenext' }
const node16 = { module: 'node16', moduleResolution: 'node16' }
const bundler = { module: 'esnext', moduleResolution: 'bundler' }
const cases: readonly Case[] = [
  { name: 'npm-nodenext', manager: 'npm', fastify: '5', typescript: '5.9', options: esm },
  { name: 'npm-oldest', manager: 'npm', fastify: '5.0.0', typescript: '5.6', options: esm },
  { name: 'npm-node16', manager: 'npm', fastify: '5', typescript: '5.6', options: node16 },
  { name: 'npm-bundler', manager: 'npm', fastify: '5', typescript: '6.0', options: bundler },
  { name: 'npm-commonjs', manager: 'npm', fastify: '5', typescript: '5.9', options: esm, isCommonJs: true },
  { name: 'yarn', manager: 'yarn', fastify: '5', typescript: '5.9', options: esm },
  { name: 'pnpm', manager: 'pnpm', fastify: '5', typescript: '6.0', options: bundler }
]

const installs: Readonly<Record<Case['manager'], (packages: readonly string[]) => [string, readonly string[]]>> = {
  npm: packages => ['npm', ['install', '--no-audit', '--no-fund', ...packages]],
  yarn: packages => ['npx', ['-y', 'yarn@1', 'add', '--non-interactive', ...packages]],
  pnpm: packages => ['npx', ['-y', 'pnpm@9', 'add', '--strict-peer-dependencies', ...packages]]
}

/** See docs/embedding.md: Fastify loads modules of Node with `require`, which ES modules do not have. */
const bundles: Readonly<Record<string, readonly string[]>> = {
  'main.cjs': ['--format=cjs'],
  'main.mjs': [
    '--format=esm',
    "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
  ]
}

const source = `
import Fastify from 'fastify'
import { z } from 'zod'
import { createTestClient, defineApp, definePrompt, defineResource, defineTool, mcpAuth } from 'fastify-mcp-auth'
import routes from 'fastify-mcp-auth/plugins/routes'

export const greet = defineTool({
  name: 'greet', input: z.object({ name: z.string() }), handler: ({ name }, { principal }) => \`\${principal.id}: hello \${name}\`
})
export const sum = defineTool({
  name: 'sum', input: { type: 'object' }, output: z.object({ sum: z.number() }), handler: () => ({ structuredContent: { sum: 1 } })
})
export const fixed = defineResource({ name: 'fixed', uri: 'a://b', read: () => 'x' })
export const template = defineResource({ name: 'template', uriTemplate: 'a://b/{c}', read: (_uri, _context, { c }) => c })
export const prompt = definePrompt({ name: 'prompt', input: z.object({ topic: z.string() }), handler: ({ topic }) => topic })
export const page = defineApp({ name: 'page', tool: sum, html: '<!doctype html>' })

export async function main (): Promise<void> {
  const app = Fastify()
  await app.register(routes)
  app.get<{ Params: { id: string } }>('/items/:id', { config: { mcp: { name: 'item' } } }, async ({ params }) => ({ id: params.id }))
  await app.register(mcpAuth, {
    apiKeys: ['a-key-of-the-install-matrix'], tools: [greet], resources: [fixed, template], prompts: [prompt], apps: [page]
  })
  for (const era of ['modern', 'legacy'] as const) {
    const client = createTestClient(app, { key: 'a-key-of-the-install-matrix', era })
    console.log((await client.callTool('greet', { name: 'Ada' })).text.split(' ').slice(1).join(' '), (await client.callTool('item', { id: '7' })).text)
  }
  await app.close()
}
main().catch(error => { console.error(error); process.exitCode = 1 })
`
const expected = 'hello Ada {"id":"7"}\nhello Ada {"id":"7"}\n'

async function pack (folder: string): Promise<string> {
  await run('npm', ['pack', '--pack-destination', folder, '--loglevel', 'error'], { cwd: root })
  const name = readdirSync(folder).find(file => file.endsWith('.tgz'))
  if (name === undefined) throw new Error('npm packed nothing')
  return join(folder, name)
}

/** See docs/embedding.md: yarn 1 refuses packages that need a later Node, such as `cookie` 2 on Node 20. */
async function forYarn (): Promise<object> {
  const { stdout } = await run('node', ['--version'])
  return stdout.startsWith('v20.') ? { resolutions: { '**/light-my-request/cookie': '^1.1.1' } } : {}
}

/** Puts another Node first in the PATH of this process and of the processes that it starts. */
async function useNode (version: string, folder: string): Promise<void> {
  const prefix = join(folder, 'node')
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', prefix, `node@${version}`])
  process.env.PATH = `${join(prefix, 'node_modules/node/bin')}${delimiter}${process.env.PATH ?? ''}`
  const { stdout } = await run('node', ['--version'])
  if (!stdout.startsWith(`v${version}`)) throw new Error(`node@${version} is ${stdout}`)
  console.log(`Node ${stdout.trim()}`)
}

/** Tests one kind of project. Throws if a step fails. */
async function check (folder: string, tarball: string, one: Case): Promise<void> {
  const project = join(folder, one.name)
  mkdirSync(project)
  const cwd = { cwd: project, timeout: 300_000, maxBuffer: 64 * 1024 ** 2 }
  const type = one.isCommonJs === true ? 'commonjs' : 'module'
  const more = one.manager === 'yarn' ? await forYarn() : {}
  const manifest = { name: 'matrix', version: '1.0.0', private: true, type, ...more }
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest))
  const tools = [`typescript@${one.typescript}`, '@types/node@20', 'esbuild@0.25']
  const packages = [`file:${tarball}`, `fastify@${one.fastify}`, 'zod@4', ...tools]
  const [command, args] = installs[one.manager](packages)
  await run(command, args, cwd)
  writeFileSync(join(project, 'main.ts'), source)
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      target: 'es2022',
      lib: ['es2023'],
      strict: true,
      declaration: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      types: ['node'],
      outDir: 'out',
      rootDir: '.',
      ...one.options
    },
    files: ['main.ts']
  }))
  await run(join(project, 'node_modules/.bin/tsc'), ['-p', '.'], cwd)
  await expectOutput(join(project, 'out/main.js'), cwd)
  for (const [name, flags] of Object.entries(bundles)) {
    const bundle = join(project, 'bundle', name)
    const esbuild = join(project, 'node_modules/.bin/esbuild')
    await run(esbuild, ['main.ts', '--bundle', '--platform=node', `--outfile=${bundle}`, ...flags], cwd)
    // A bundle must run in a directory without packages.
    const elsewhere = mkdtempSync(join(tmpdir(), 'bundle-'))
    try {
      await run('cp', [bundle, elsewhere])
      await expectOutput(join(elsewhere, name), { ...cwd, cwd: elsewhere })
    } finally {
      rmSync(elsewhere, { recursive: true, force: true })
    }
  }
}

async function expectOutput (file: string, options: { readonly cwd: string, readonly timeout: number }): Promise<void> {
  if (!existsSync(file)) throw new Error(`${file} was not created`)
  const { stdout, stderr } = await run('node', [file], options)
  if (stdout !== expected) throw new Error(`${file} printed ${JSON.stringify(stdout + stderr)}`)
}

const options = { node: { type: 'string' } } as const
const { values: { node }, positionals: wanted } = parseArgs({ options, allowPositionals: true })
const folder = mkdtempSync(join(tmpdir(), 'matrix-'))
const failed: string[] = []
try {
  if (node !== undefined) await useNode(node, folder)
  const tarball = await pack(folder)
  const all: ReadonlyArray<readonly [name: string, part: () => Promise<void>]> = [
    ...cases.map(one => [one.name, async () => { await check(folder, tarball, one) }] as const),
    // The templates of `npm create`.
    ...Object.entries(createTemplates),
    ...Object.entries(wrongPeers).map(([name, part]) => [name, async () => { await part(folder, tarball) }] as const)
  ]
  const unknown = wanted.filter(name => !all.some(([one]) => one === name))
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: there are ${all.map(([name]) => name).join(', ')}`)
  for (const [name, part] of all.filter(([name]) => wanted.length === 0 || wanted.includes(name))) {
    try {
      await part()
      console.log(`ok     ${name}`)
    } catch (error) {
      failed.push(name)
      const { message, stdout = '' } = error as Error & { stdout?: string }
      console.log(`failed ${name}\n${message}\n${stdout}`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${failed.length === 0 ? 'All passed' : `Failed: ${failed.join(', ')}`}`)
process.exitCode = failed.length === 0 ? 0 : 1
