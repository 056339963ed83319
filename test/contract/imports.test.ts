/**
 * Imports point one way: a folder may import only what its row of eslint.rooms.js names. Without a row, a
 * folder may import nothing.
 */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
// @ts-expect-error: this file of the linter has no types
import { roomOf as untypedRoomOf, rooms as untypedRooms } from '../../eslint.rooms.js'

const roomOf = untypedRoomOf as (file: string) => { readonly room: string } | undefined
const rooms = untypedRooms as ReadonlyArray<{ readonly room: string, readonly ours: readonly string[] }>
const root = fileURLToPath(new URL('../../', import.meta.url))
const ours = [
  'rooms/imports',
  'no-restricted-syntax',
  '@typescript-eslint/no-explicit-any',
  '@typescript-eslint/no-non-null-assertion',
  '@typescript-eslint/ban-ts-comment'
]
const imports = ['rooms/imports']

/** Returns the rules that each line breaks. Runs in its own process: ESLint does not load through tsx. */
async function broken (lines: ReadonlyArray<readonly [file: string, line: string]>): Promise<string[][]> {
  const script = `
    import { ESLint } from 'eslint'
    const linter = new ESLint()
    const found = []
    for (const [filePath, line] of ${JSON.stringify(lines)}) {
      const [{ messages }] = await linter.lintText(line + '\\n', { filePath })
      found.push(messages.map(({ ruleId }) => ruleId ?? 'unreadable'))
    }
    console.log(JSON.stringify(found))
  `
  const { NODE_OPTIONS: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    env
  })
  return (JSON.parse(stdout) as string[][]).map(rules =>
    rules.filter(rule => rule === 'unreadable' || ours.includes(rule))
  )
}

/** `[description, file, line, broken rules]` */
const rows: Array<[string, string, string, string[]]> = [
  ['a folder without a row', 'src/elsewhere/new.ts', 'export const x = 1', imports],
  ['a folder without a row, deeper', 'src/mcp/elsewhere/new.ts', 'export const x = 1', imports],
  ['a folder below the plugins', 'plugins/elsewhere/new.ts', 'export const x = 1', imports],
  ['the server imports a plugin', 'src/server/start.ts', "import '../../plugins/auth.js'", imports],
  ['the app imports the server', 'src/app.ts', "import './server/start.js'", imports],
  ['the app imports an SDK', 'src/app.ts', "import '@modelcontextprotocol/sdk/types.js'", imports],
  ['a command imports the app', 'src/cli/serve/start.ts', "import '../../app.js'", imports],
  ['a plugin imports a plugin', 'plugins/auth.ts', "import './cors.js'", imports],
  ['a plugin imports the app', 'plugins/auth.ts', "import '../src/app.js'", imports],
  ['the bridge imports Fastify', 'src/mcp/slots/responder.ts', "import 'fastify'", imports],
  ['the bridge imports a setting', 'src/mcp/slots/responder.ts', "import '../../config/load.js'", imports],
  [
    'the legacy era imports the other SDK',
    'src/mcp/legacy/session.ts',
    "import '@modelcontextprotocol/server'",
    imports
  ],
  [
    'the legacy era imports the modern era',
    'src/mcp/legacy/session.ts',
    "import '../modern/input-required.js'",
    imports
  ],
  [
    'the modern era imports the legacy era',
    'src/mcp/modern/input-required.ts',
    "import '../legacy/session.js'",
    imports
  ],
  ['a tool imports the ledger', 'src/tools/tool.ts', "import '../ledger/ledger.js'", imports],
  ['a principal imports Fastify', 'src/principal/access.ts', "import 'fastify'", imports],
  ['a principal exports from above', 'src/principal/access.ts', "export * from '../app.js'", imports],
  [
    'a principal loads from above later',
    'src/principal/access.ts',
    "export const later = await import('../app.js')",
    imports
  ],
  ['the errors import a room', 'src/errors.ts', "import './principal/access.js'", imports],
  ['the library imports a room', 'src/lib/guards.ts', "import '../net/origins.js'", imports],
  [
    'a type of a room above',
    'src/lib/guards.ts',
    "export type Above = import('../app.js').AppOptions",
    imports
  ],
  ['a template text from above', 'src/lib/guards.ts', 'export const later = await import(`../app.js`)', imports],
  [
    'a computed name',
    'src/lib/guards.ts',
    'export const later = async (name: string): Promise<unknown> => await import(name)',
    imports
  ],
  [
    'a computed name in the loader of user modules',
    'src/cli/inspect/lint.ts',
    'export const later = async (name: string): Promise<unknown> => await import(name)',
    []
  ],
  ['an import that requires', 'src/lib/guards.ts', "import app = require('../app.js')", imports],
  ['the module that makes `require`', 'src/lib/guards.ts', "import 'node:module'", imports],
  ...['mts', 'cts', 'tsx', 'js', 'mjs', 'cjs', 'jsx'].map((ending): [string, string, string, string[]] =>
    [`a file of the kind ${ending}`, `src/lib/guards.${ending}`, 'export const x = 1', imports]),
  ['a loose file of src', 'src/elsewhere.ts', 'export const x = 1', imports],
  [
    'the environment taken from the process',
    'plugins/auth.ts',
    'export const { env } = process',
    ['no-restricted-syntax']
  ],
  [
    'the environment read by a computed name',
    'plugins/auth.ts',
    "export const level = process['env'].LOG_LEVEL",
    ['no-restricted-syntax']
  ],
  [
    'the environment read from the global object',
    'plugins/auth.ts',
    'export const level = globalThis.process.env.LOG_LEVEL',
    ['no-restricted-syntax']
  ],
  [
    'the environment read by a plugin',
    'plugins/auth.ts',
    'export const level = process.env.LOG_LEVEL',
    ['no-restricted-syntax']
  ],
  [
    'the environment read by the bridge',
    'src/mcp/slots/responder.ts',
    'export const level = process.env.LOG_LEVEL',
    ['no-restricted-syntax']
  ],
  [
    'the environment imported by the app',
    'src/app.ts',
    "export { env } from 'node:process'",
    ['no-restricted-syntax']
  ],
  ['any', 'src/errors.ts', 'export const text: any = 1', ['@typescript-eslint/no-explicit-any']],
  [
    'a non-null assertion',
    'src/errors.ts',
    'export const text = process.version!',
    ['@typescript-eslint/no-non-null-assertion']
  ],
  ['an ignored type error', 'src/errors.ts', '// @ts-ignore: because', ['@typescript-eslint/ban-ts-comment']],
  [
    'an expected type error without a reason',
    'src/errors.ts',
    '// @ts-expect-error',
    ['@typescript-eslint/ban-ts-comment']
  ],
  ['an expected type error with a reason', 'src/errors.ts', '// @ts-expect-error: a typo must not pass', []],
  [
    'the environment read by the server',
    'src/server/start.ts',
    'export const level = process.env.LOG_LEVEL',
    []
  ],
  ['the environment read by a command', 'src/cli/serve/start.ts', 'export const level = process.env.LOG_LEVEL', []],
  ['the app imports a plugin', 'src/app.ts', "import '../plugins/auth.js'", []],
  ['a plugin imports the bridge', 'plugins/mcp.ts', "import '../src/mcp/endpoint.js'", []],
  [
    'the legacy era imports its SDK',
    'src/mcp/legacy/session.ts',
    "import '@modelcontextprotocol/sdk/types.js'",
    []
  ]
]

t.test('lint refuses an upward import and a folder without a row', { timeout: 200_000 }, async t => {
  const found = await broken(rows.map(([, file, line]) => [file, line]))
  for (const [index, [name, , , rules]] of rows.entries()) t.same(found[index], rules, name)
})

/** Returns the TypeScript files below a folder, as paths from the root. */
function sourcesIn (folder: string): string[] {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.includes('node_modules'))
    .map(file => `${folder}/${file}`)
}

/** Returns the files of this project that a file imports, including type imports. */
function importsOf (file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(`${root}${file}`, 'utf8'), true, true)
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => join(dirname(file), fileName).replace(/\.js$/, '.ts'))
}

t.test('each folder with files has a row', async t => {
  for (const top of ['src', 'plugins']) {
    for (const file of sourcesIn(top)) t.ok(roomOf(file), file)
  }
})

t.test('src has at most nine loose files', async t => {
  const files = readdirSync(`${root}src`).filter(file => file.endsWith('.ts'))
  t.ok(files.length <= 9, files.join(' '))
})

t.test('a folder of src has at most fifteen files', async t => {
  // `plugins` is exempt: it has one file for each export of the package.
  const sizes = new Map<string, number>()
  for (const file of sourcesIn('src')) sizes.set(dirname(file), (sizes.get(dirname(file)) ?? 0) + 1)
  for (const [folder, size] of sizes) t.ok(size <= 15, `${folder}: ${size}`)
})

t.test('no file of src or plugins imports itself through other files', async t => {
  const imports = new Map(['src', 'plugins'].flatMap(sourcesIn).map(file => [file, importsOf(file)]))
  /** Files from which no import cycle is reachable. */
  const sound = new Set<string>()
  const circleFrom = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (sound.has(file)) return undefined
    for (const next of imports.get(file) ?? []) {
      const circle = circleFrom(next, [...path, file])
      if (circle !== undefined) return circle
    }
    sound.add(file)
    return undefined
  }
  for (const file of imports.keys()) t.equal(circleFrom(file, [])?.join(' -> '), undefined)
})

/** The files of src and plugins that declare each name that `form` finds. */
function declared (form: RegExp): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>()
  for (const file of ['src', 'plugins'].flatMap(sourcesIn)) {
    for (const [, name = ''] of readFileSync(`${root}${file}`, 'utf8').matchAll(form)) {
      places.set(name, (places.get(name) ?? new Set()).add(file))
    }
  }
  return places
}

t.test('no two exports of src and plugins have the same name', async t => {
  const exported = declared(/^export (?:abstract |async )?(?:interface|class|type|function|const) (\w+)/gm)
  for (const [name, files] of exported) t.equal(files.size, 1, `${name}: ${[...files].join(' ')}`)
})

t.test('a type of one file does not have the name of an exported type', async t => {
  const exported = declared(/^export (?:abstract )?(?:interface|class|type) (\w+)/gm)
  for (const [name, files] of declared(/^(?:abstract )?(?:interface|class|type) (\w+)/gm)) {
    t.notOk(exported.has(name), `${name}: ${[...files].join(' ')}`)
  }
})

/** A table with one row for each setting. */
const longFiles = ['src/config/variables.ts']

t.test('a file of src, plugins or test has at most 300 lines', async t => {
  for (const top of ['src', 'plugins', 'test']) {
    for (const file of sourcesIn(top)) {
      if (longFiles.includes(file)) continue
      const lines = readFileSync(`${root}${file}`, 'utf8').split('\n').length - 1
      t.ok(lines <= 300, `${file}: ${lines}`)
    }
  }
})

t.test('a row names only rows above it', async t => {
  const seen = new Set<string>()
  for (const { room, ours } of rooms) {
    t.same(ours.filter(name => !seen.has(name)), [], room)
    seen.add(room)
  }
})
