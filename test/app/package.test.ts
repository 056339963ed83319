/** The published package: packed, unpacked into a new project, type-checked, and registered both ways. */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  name: string
  version: string
  files: string[]
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

/** Code that follows the README. */
const main = `
import Fastify, { type FastifyInstance } from 'fastify'
import { type McpAuthOptions, type Principal, type Tool, PublicToolError, buildApp, defineTool, generateToken, mcpAuth } from '${manifest.name}'
import auth, { type AuthOptions } from '${manifest.name}/plugins/auth'
import cors from '${manifest.name}/plugins/cors'
import errors from '${manifest.name}/plugins/errors'
import health from '${manifest.name}/plugins/health'
import mcp, { type McpOptions } from '${manifest.name}/plugins/mcp'
import preauthLimit from '${manifest.name}/plugins/preauth-limit'
import principalLimit from '${manifest.name}/plugins/principal-limit'
import { z } from 'zod'

const key = 'a-key-of-a-fresh-project'
const secret = 'a-secret-of-a-fresh-project-with-32-bytes'
const add = defineTool({
  name: 'add',
  input: z.object({ a: z.number(), b: z.number().default(1) }),
  handler: ({ a, b }, { principal }) => {
    const who: Principal = principal
    // @ts-expect-error: the arguments are typed by the schema
    const wrong: string = a
    if (who.id === '') throw new PublicToolError(wrong)
    return String(a + b)
  }
})
const tools: Tool[] = [add]
const options: McpAuthOptions & { prefix: string } = { prefix: '/all', apiKeys: [key], jwtSecret: secret, tools }
// @ts-expect-error: a misspelt option does not pass
const misspelt: McpAuthOptions = { apiKey: [key] }
const one: AuthOptions = { apiKeys: [key] }
const endpoint: McpOptions = { tools }

async function host (): Promise<FastifyInstance> {
  const app = Fastify()
  app.get('/', async () => 'public')
  await app.register(mcpAuth, options)
  await app.register(async scope => {
    await scope.register(errors)
    await scope.register(cors)
    await scope.register(preauthLimit, { max: 5 })
    await scope.register(auth, one)
    await scope.register(principalLimit)
    await scope.register(mcp, endpoint)
    scope.get('/me', async ({ principal }) => principal?.id ?? null)
    await scope.register(health)
    scope.mcp.removeTool('none')
  }, { prefix: '/each' })
  return app
}

async function call (app: FastifyInstance, url: string, headers: Record<string, string>): Promise<unknown> {
  const response = await app.inject({
    method: 'POST', url, headers, payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'add', arguments: { a: 1 } } }
  })
  return response.statusCode === 200 ? response.json().result.content[0].text : response.statusCode
}

const app = await host()
const service = await buildApp({ env: { API_KEYS: key, JWT_SECRET: secret, LOG_LEVEL: 'silent' }, tools })
const token = { authorization: 'Bearer ' + generateToken('ada', 'user', '1h', { secret }) }
console.log(JSON.stringify({
  misspelt: Object.keys(misspelt),
  public: (await app.inject('/')).payload,
  all: [await call(app, '/all/mcp', { 'x-api-key': key }), await call(app, '/all/mcp', token), await call(app, '/all/mcp', {})],
  each: [await call(app, '/each/mcp', { 'x-api-key': key }), await call(app, '/each/mcp', token)],
  health: (await app.inject('/each/health')).json().status,
  service: await call(service, '/mcp', token)
}))
await app.close()
await service.close()
`

/** Code that imports only the package: decorators of requests, routes and the app are typed as well. */
const entry = `
import { type AuthOptions, type EnvOptions, buildApp, mcpAuth } from '${manifest.name}'

const auth: Pick<AuthOptions, 'apiKeys' | 'realm'> = { apiKeys: ['a-key-of-a-fresh-project'], realm: 'fresh' }
const env: EnvOptions = { env: { API_KEYS: auth.apiKeys?.join() ?? '', LOG_LEVEL: 'silent' } }
const app = await buildApp({ env: env.env ?? {} })
app.get('/me', async ({ principal, rateLimitMax, refusal }) => [principal?.id, rateLimitMax, refusal?.code])
app.get('/open', { config: { public: true, uncharged: true, cors: false } }, async (request, reply) => {
  app.refuseLockedOut(request, reply)
  await app.chargeAddress(request, reply)
  await app.chargePrincipal(request, reply, 1)
  return [app.config.PORT, await app.budgetOf(request), app.challengeFor({}), app.issuerProblems()]
})
app.mcp.removeTool('none')
// @ts-expect-error: no plugin adds this decorator
app.nothing()
await app.register(mcpAuth, { prefix: '/again', apiKeys: ['a-key-of-a-fresh-project'] })
await app.close()
`

/** Code of an app that uses the same names itself and emits declaration files. */
const names = `
import Fastify from 'fastify'
import { z } from 'zod'
import {
  createTestClient, defineApp, definePrompt, defineResource, defineTool, lintTools, loadConfig, mcpAuth, mcpAuthOptions
} from '${manifest.name}'

declare module 'fastify' {
  interface FastifyRequest { principal: { tenant: string }, rateLimitMax: string }
  interface FastifyInstance { config: { PORT: string } }
}
declare module '${manifest.name}' {
  interface PrincipalAttributes { tenant?: string }
}

export const tool = defineTool({
  name: 'a', input: z.object({ a: z.string() }), output: z.object({ b: z.number() }),
  handler: ({ a }, { principal }) => ({ structuredContent: { b: (principal.attributes.tenant ?? a).length } })
})
export const raw = defineTool({ name: 'b', input: { type: 'object' }, handler: () => 'x' })
export const prompt = definePrompt({ name: 'p', input: z.object({ topic: z.string() }), complete: { topic: () => [] }, handler: ({ topic }) => topic })
export const fixed = defineResource({ name: 'r', uri: 'a://b', read: () => 'x' })
export const template = defineResource({ name: 't', uriTemplate: 'a://{b}', complete: { b: () => [] }, read: (_uri, _context, { b }) => b })
export const page = defineApp({ name: 'a', tool, html: '<!doctype html>' })
export default [tool, raw, prompt, fixed, template, page]
export const settings = loadConfig({ env: { API_KEYS: 'a-key-of-a-fresh-project' }, dotenv: false })
export const options = mcpAuthOptions(settings.config)
export const app = Fastify()
export const client = createTestClient(app)
export const found = lintTools([tool])
await app.register(mcpAuth, { tools: [tool], verifyKey: async (key, { digest }) => ({ id: digest, attributes: { tenant: key } }) })
app.get('/', async request => [request.principal.tenant, request.mcp.principal?.attributes.tenant?.length, app.config.PORT])
`

/** Packs a copy, because other tests may be building or running `dist` of the repository at the same time. */
async function pack (folder: string): Promise<string> {
  const source = join(folder, 'source')
  const packed = manifest.files.filter(path => !path.includes('dist'))
  for (const path of [
    'src',
    'plugins',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'LICENSE',
    ...packed
  ]) {
    try {
      cpSync(join(root, path), join(source, path), { recursive: true })
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error
    }
  }
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'))
  await run('npm', ['pack', '--pack-destination', folder, '--loglevel', 'error'], { cwd: source })
  return join(folder, `${manifest.name}-${manifest.version}.tgz`)
}

/**
 * Unpacks the package next to links to its declared dependencies only, so that an undeclared one is noticed.
 * Does not use a registry.
 */
async function install (tarball: string, project: string): Promise<string> {
  const modules = join(project, 'node_modules')
  const unpacked = join(modules, manifest.name)
  mkdirSync(unpacked, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', unpacked])
  for (const name of [...Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }), '@types/node']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  return unpacked
}

/** Compiles a file of the project. Returns the errors of the compiler, or an empty string. */
async function faultsOf (project: string, name: string, source: string, options: object): Promise<string> {
  const settings = join(project, `tsconfig.${name}.json`)
  writeFileSync(join(project, `${name}.ts`), source)
  writeFileSync(
    settings,
    JSON.stringify({
      compilerOptions: {
        target: 'ES2022',
        lib: ['ES2023'],
        module: 'NodeNext',
        types: ['node'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        outDir: 'out',
        rootDir: '.',
        ...options
      },
      include: [`${name}.ts`]
    })
  )
  const { stdout } = await run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    settings
  ]).catch((error: { stdout: string }) => error)
  return stdout
}

t.test('the package works in a new project', { timeout: 240_000 }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'packed-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const project = join(folder, 'project')
  const unpacked = await install(await pack(folder), project)
  const files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' })
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'fresh', private: true, type: 'module' }))
  // Compiled separately, because declarations that one file imports would apply to the others.
  const [faultsOfMain, faultsOfEntry, faultsOfNames] = [
    faultsOf(project, 'main', main, { skipLibCheck: false }),
    faultsOf(project, 'entry', entry, { skipLibCheck: true }),
    faultsOf(project, 'names', names, {
      skipLibCheck: false,
      declaration: true,
      module: 'ESNext',
      moduleResolution: 'Bundler'
    })
  ]

  t.test('the package contains no tests, sources or secrets', async t => {
    for (const file of [
      'dist/src/index.js',
      'dist/src/index.d.ts',
      'dist/src/cli/main.js',
      'dist/plugins/auth.d.ts',
      '.env.example',
      'package.json',
      'examples/tenants.ts'
    ]) { t.ok(files.includes(file), file) }
    t.same(
      files.filter(
        file =>
          !/^examples\/[\w-]+\.ts$/.test(file) &&
          /(^|\/)(test|bench|node_modules|\.env|\.tap|\.state|\.tsbuildinfo)($|\/)|(?<!\.d)\.ts$/.test(file)
      ),
      []
    )
  })

  t.test('a strict TypeScript project that uses the package type-checks', async t => {
    t.equal(await faultsOfMain, '')
  })

  t.test('importing only the package types the decorators of the plugins', async t => {
    t.equal(await faultsOfEntry, '')
  })

  t.test(
    'a host with its own principal, rateLimitMax and config type-checks',
    async t => {
      t.equal(await faultsOfNames, '')
    }
  )

  t.test("both ways of registering work next to the host's own routes", async t => {
    const { stdout } = await run(process.execPath, ['out/main.js'], { cwd: project })
    t.same(JSON.parse(stdout), {
      misspelt: ['apiKey'],
      public: 'public',
      all: ['2', '2', 401],
      each: ['2', 401],
      health: 'ok',
      service: '2'
    })
  })

  t.test('modules that are not exported cannot be imported', async t => {
    const attempt = `await import('${manifest.name}/dist/src/errors.js').then(() => console.log('in'), ({ ` +
      'code }) => console.log(code))'
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', attempt], { cwd: project })
    t.equal(stdout.trim(), 'ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  t.test('the command line of the package runs', async t => {
    const { stdout } = await run(process.execPath, [join(unpacked, 'dist/src/cli/main.js'), '--version'], {
      cwd: project
    })
    t.equal(stdout.trim(), manifest.version)
  })
})
