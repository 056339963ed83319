/** The package's exports, the plugins' names and their tests match `plugins/`. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import ts from 'typescript'
import * as entry from '../../src/index.js'

const root = new URL('../../', import.meta.url)
const names = (folder: string, ending: string): string[] =>
  readdirSync(new URL(folder, root))
    .filter(file => file.endsWith(ending))
    .map(file => file.slice(0, -ending.length))
    .sort()
const plugins = names('plugins/', '.ts')
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

interface PluginMeta { readonly name: string, readonly fastify: string, readonly dependencies?: readonly string[] }

t.test('package.json exports the entry and every plugin, with types', async t => {
  t.same(manifest.exports, {
    '.': { types: './dist/src/index.d.ts', default: './dist/src/index.js' },
    './plugins/*': { types: './dist/plugins/*.d.ts', default: './dist/plugins/*.js' },
    './package.json': './package.json'
  })
  t.ok(manifest.files.includes('dist'))
})

t.test('there are plugins', async t => { t.ok(plugins.length >= 8) })

for (const name of plugins) {
  t.test(`the plugin ${name} has its name, a Fastify version and a test`, async t => {
    const { default: plugin } = await import(`../../plugins/${name}.js`)
    const meta: PluginMeta = plugin[Symbol.for('plugin-meta')]
    t.equal(meta.name, `mcp-${name}`)
    t.equal(meta.fastify, '5.x')
    for (const needed of meta.dependencies ?? []) {
      t.ok(plugins.includes(needed.replace(/^mcp-/, '')), `${needed} is a plugin of this package`)
    }
    t.equal(plugin[Symbol.for('skip-override')], true, 'it works on the scope that registers it')
    t.ok(existsSync(new URL(`test/plugins/${name}.test.ts`, root)))
  })
}

t.test('only mcp-auth.ts and app.ts register plugins', async t => {
  const sourceOf = (file: string): string => readFileSync(new URL(file, root), 'utf8')
  // Types may be imported anywhere: the options of the chain extend those of its plugins.
  const imports = (file: string): string[] =>
    [...sourceOf(file).matchAll(/^import (?!type ).* from '([^']+)'/gm)].map(([, from = '']) => from)
  for (const name of plugins) t.notOk(imports(`plugins/${name}.ts`).some(from => from.startsWith('./')), name)
  const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.ts')
  )
  t.same(sources.filter(file => imports(`src/${file}`).some(from => from.includes('plugins/'))).sort(), [
    'app.ts',
    'mcp-auth.ts'
  ])
})

t.test('mcp-auth.ts holds the register calls of the chain with their reasons, and nothing else', async t => {
  const source = readFileSync(new URL('src/mcp-auth.ts', root), 'utf8')
  const [, body = ''] = /export async function registerChain [\s\S]*?\n\): .* \{\n([\s\S]*?)\n\}\n/.exec(source) ?? []
  const [first, ...lines] = body.split('\n').map(line => line.trim()).filter(line => line !== '')
  t.equal(first, 'const parts = await openParts(scope, options, channel)')
  t.equal(lines.pop(), 'return parts.problems')
  const call = /^(?:if \(parts\.(\w+) !== undefined\) )?await scope\.register\(\w+, (?:parts\.\w+|\{.*\})\)$/
  t.ok(lines.length >= 26)
  for (const [at, line] of lines.entries()) t.match(line, at % 2 === 0 ? /^\/\/ .+\.$/ : call)
})

t.test('each plugin is registered in mcp-auth.ts or app.ts', async t => {
  const pages = ['src/mcp-auth.ts', 'src/app.ts'].map(file => readFileSync(new URL(file, root), 'utf8')).join('')
  // The host registers these itself, before its own routes.
  const ofHosts = ['routes']
  for (const name of plugins.filter(name => !ofHosts.includes(name))) t.match(pages, `'../plugins/${name}.js'`)
})

t.test('the entry has exactly these named exports', async t => {
  t.same(Object.keys(entry).sort(), [
    'ConfigError',
    'KeyStore',
    'NotFoundError',
    'OperatorError',
    'PublicToolError',
    'StartError',
    'buildApp',
    'createKnownCredentials',
    'createTestClient',
    'defineApp',
    'definePrompt',
    'defineResource',
    'defineTool',
    'generateToken',
    'isRefusal',
    'lintTools',
    'loadConfig',
    'mcpAuth',
    'mcpAuthOptions',
    'refusals',
    'startServer',
    'version'
  ])
  t.equal(entry.version, manifest.version)
})

/** The names of the exported functions of a file whose docstring has an example; `default` for its default export. */
function withExample (file: URL): string[] {
  const source = ts.createSourceFile(file.pathname, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
  return source.statements
    .filter(statement => ts.getJSDocTags(statement).some(({ tagName }) => tagName.text === 'example'))
    .flatMap(statement => {
      if (ts.isExportAssignment(statement)) return ['default']
      if (ts.isFunctionDeclaration(statement)) return [statement.name?.text ?? '']
      if (!ts.isVariableStatement(statement)) return []
      return statement.declarationList.declarations.map(({ name }) => name.getText())
    })
}

t.test('the default export of a plugin and each exported function have a docstring with an example', async t => {
  for (const name of plugins) t.ok(withExample(new URL(`plugins/${name}.ts`, root)).includes('default'), name)
  const index = readFileSync(new URL('src/index.ts', root), 'utf8')
  const files = [...index.matchAll(/from '\.\/(.+)\.js'/g)].map(([, path = '']) => new URL(`src/${path}.ts`, root))
  const shown = new Set(files.flatMap(withExample))
  for (const [name, value] of Object.entries(entry)) {
    if (typeof value === 'function' && /^[a-z]/.test(name)) t.ok(shown.has(name), name)
  }
})
