/** Keeps the imports one-way: lint says no wherever a room would know one above it. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const ours = ['no-restricted-imports', 'no-restricted-syntax', '@typescript-eslint/no-explicit-any', '@typescript-eslint/no-non-null-assertion', '@typescript-eslint/ban-ts-comment']

/** Which of the rules that hold the architecture each line breaks in its file. In a process of its own: the linter does not load through tsx. */
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
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: root, env })
  return (JSON.parse(stdout) as string[][]).map(rules => rules.filter(rule => rule === 'unreadable' || ours.includes(rule)))
}

const rooms = {
  server: 'src/server.ts',
  app: 'src/app.ts',
  'a command': 'src/cli/start.ts',
  'a plugin': 'plugins/auth.ts',
  'the bridge': 'src/mcp/turn.ts',
  'the legacy era': 'src/mcp/legacy/session.ts',
  'the modern era': 'src/mcp/modern/asking.ts',
  'the settings': 'src/config.ts',
  'a setting': 'src/config/kinds.ts',
  'the origins': 'src/origins.ts',
  'a tool': 'src/tools/whoami.ts',
  'the state': 'src/state/state.ts',
  'a principal': 'src/principal/jwt.ts',
  'the errors': 'src/errors.ts'
}
type Room = keyof typeof rooms

/** From the top down: each room may know those below it, as far as the design lets it, and none above. */
const refused: Array<[Room, string[]]> = [
  ['server', ['../plugins/auth.js', './cli/main.js', '@modelcontextprotocol/sdk/types.js', '@modelcontextprotocol/server']],
  ['app', ['./server.js', './cli/main.js', '@modelcontextprotocol/sdk/types.js']],
  ['a command', ['../../plugins/auth.js', '../app.js', '../mcp/turn.js', 'fastify', '@fastify/jwt']],
  ['a plugin', ['./cors.js', '../src/app.js', '../src/index.js', '../src/server.js', '../src/cli/main.js', '@modelcontextprotocol/sdk/types.js']],
  ['the bridge', ['../../plugins/auth.js', '../app.js', '../server.js', '../config.js', '../config/kinds.js', '../state/state.js', 'fastify', '@modelcontextprotocol/server', '@modelcontextprotocol/sdk/types.js']],
  ['the legacy era', ['../modern/asking.js', '@modelcontextprotocol/server', 'fastify', '../../app.js', '../../config.js']],
  ['the modern era', ['../legacy/session.js', '@modelcontextprotocol/sdk/types.js', 'fastify', '../../server.js', '../../state/state.js']],
  ['the settings', ['./app.js', './server.js', './mcp/turn.js', './tools/tool.js', './state/state.js', 'fastify', '@fastify/env', '../plugins/env.js']],
  ['a setting', ['../app.js', '../mcp/turn.js', '../tools/tool.js', '../state/state.js', 'fastify', '../../plugins/env.js']],
  ['the origins', ['./app.js', './mcp/turn.js', 'fastify', '../plugins/cors.js']],
  ['a tool', ['../app.js', '../config.js', '../mcp/turn.js', '../cli/main.js', 'fastify', 'fastify-plugin', '@modelcontextprotocol/sdk/types.js', '../../plugins/mcp.js']],
  ['the state', ['../app.js', '../config.js', '../mcp/turn.js', '../tools/tool.js', 'fastify', '../../plugins/mcp.js']],
  ['a principal', ['../app.js', '../index.js', '../server.js', '../config.js', '../config/kinds.js', '../mcp/turn.js', '../tools/tool.js', '../state/state.js', '../cli/main.js', 'fastify', '@fastify/jwt', '../../plugins/auth.js']],
  ['the errors', ['./app.js', './config.js', './mcp/turn.js', './tools/tool.js', './principal/jwt.js', './state/state.js', 'fastify']]
]

const allowed: Array<[Room, string[]]> = [
  ['server', ['fastify', './app.js', './config.js']],
  ['app', ['fastify', '../plugins/auth.js', './config.js', './tools/index.js']],
  ['a command', ['commander', '../server.js', './config.js', '../state/state.js', '../config.js', '../tools/policies.js']],
  ['a plugin', ['fastify', '../src/mcp/turn.js', '../src/principal/jwt.js', '../src/errors.js']],
  ['the bridge', ['zod', './exchange.js', '../tools/tool.js', '../principal/policy.js', '../errors.js', './legacy/legacy-era.js']],
  ['the legacy era', ['@modelcontextprotocol/sdk/server/index.js', '@modelcontextprotocol/sdk/types.js', './server.js', '../exchange.js']],
  ['the modern era', ['@modelcontextprotocol/server', '../exchange.js']],
  ['a setting', ['../principal/networks.js', './checks.js']],
  ['a tool', ['zod', './tool.js', '../state/state.js', '../principal/policy.js']],
  ['a principal', ['jose', './key-file.js', '../errors.js']],
  ['the errors', ['@fastify/error']]
]

const lines: Array<[string, Room, string, string[]]> = [
  ['reading the environment in a plugin', 'a plugin', 'export const level = process.env.LOG_LEVEL', ['no-restricted-syntax']],
  ['reading the environment in the bridge', 'the bridge', 'export const level = process.env.LOG_LEVEL', ['no-restricted-syntax']],
  ['importing the environment in the app', 'app', 'export { env } from \'node:process\'', ['no-restricted-syntax']],
  ['reading the environment in the server', 'server', 'export const level = process.env.LOG_LEVEL', []],
  ['reading the environment in a command', 'a command', 'export const level = process.env.LOG_LEVEL', []],
  ['any', 'the errors', 'export const text: any = 1', ['@typescript-eslint/no-explicit-any']],
  ['an assertion that something is there', 'the errors', 'export const text = process.version!', ['@typescript-eslint/no-non-null-assertion']],
  ['an error of types that is ignored', 'the errors', '// @ts-ignore: because', ['@typescript-eslint/ban-ts-comment']],
  ['an error of types that is expected without a reason', 'the errors', '// @ts-expect-error', ['@typescript-eslint/ban-ts-comment']],
  ['an error of types that is expected for a reason', 'the errors', '// @ts-expect-error: a typo must not pass', []]
]

const imported = (rows: typeof refused): Array<[string, string]> => rows.flatMap(([room, imports]) => imports.map((from): [string, string] => [rooms[room], `import '${from}'`]))
const [above, below, written] = [imported(refused), imported(allowed), lines.map(([, room, line]): [string, string] => [rooms[room], line])]
const found = broken([...above, ...below, ...written])

t.test('no room may know what is above it, or beside it', { timeout: 100_000 }, async t => {
  for (const [index, rules] of (await found).slice(0, above.length).entries()) t.same(rules, ['no-restricted-imports'], above[index]?.join(': ') ?? '')
})

t.test('every room may know what is below it', { timeout: 100_000 }, async t => {
  for (const [index, rules] of (await found).slice(above.length, -written.length).entries()) t.same(rules, [], below[index]?.join(': ') ?? '')
})

t.test('only who may reads the environment, and nobody gets around the compiler', { timeout: 100_000 }, async t => {
  for (const [index, rules] of (await found).slice(-written.length).entries()) t.same(rules, lines[index]?.[3], lines[index]?.[0] ?? '')
})
