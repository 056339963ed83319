/** Lint: neostandard, what the compiler lets pass, and the import rules that keep the architecture one-way. */
import neostandard, { plugins } from 'neostandard'

const oneWay = 'Imports point one way, as CONTRIBUTING.md says.'
const groups = {
  plugins: { group: ['**/plugins/*'], message: 'Only app.ts registers plugins; name it in `dependencies` and use its decorator.' },
  siblings: { group: ['./*.js'], message: 'Only app.ts registers plugins; name it in `dependencies` and use its decorator.' },
  app: { regex: '^(\\./|(\\.\\./)+(src/)?)(app|index)\\.js$', message: oneWay },
  server: { regex: '^(\\./|(\\.\\./)+(src/)?)server\\.js$', message: oneWay },
  cli: { group: ['**/cli/*'], message: oneWay },
  config: { group: ['**/config.js', '**/config/*'], message: 'Take an option: app.ts makes options of the settings.' },
  mcp: { group: ['**/mcp/*'], message: oneWay },
  tools: { group: ['**/tools/*'], message: oneWay },
  state: { group: ['**/state/*'], message: oneWay },
  principal: { group: ['**/principal/*'], message: oneWay },
  fastify: { group: ['fastify', 'fastify-plugin', '@fastify/*', '!@fastify/error'], message: 'This room knows nothing of Fastify: it takes values and returns values.' },
  legacySdk: { group: ['@modelcontextprotocol/sdk', '@modelcontextprotocol/sdk/**'], message: 'Only the legacy era knows this SDK.' },
  modernSdk: { group: ['@modelcontextprotocol/server', '@modelcontextprotocol/server/**'], message: 'Only the modern era knows this SDK.' },
  legacy: { group: ['**/legacy/*'], message: 'An era knows nothing of the other.' },
  modern: { group: ['**/modern/*'], message: 'An era knows nothing of the other.' }
}

/** What each room may not import. The last row that a file is in counts, alone. */
const rooms = [
  ['src/*.ts', 'plugins app server cli legacySdk modernSdk'],
  ['src/index.ts', 'plugins cli legacySdk modernSdk'],
  ['src/server.ts', 'plugins cli legacySdk modernSdk'],
  ['src/app.ts', 'server cli legacySdk modernSdk'],
  ['src/cli/*.ts', 'plugins app mcp fastify legacySdk modernSdk'],
  ['plugins/*.ts', 'siblings app server cli legacySdk modernSdk'],
  ['src/{config,origins}.ts', 'plugins app server cli mcp tools state fastify legacySdk modernSdk'],
  ['src/config/*.ts', 'plugins app server cli mcp tools state fastify legacySdk modernSdk'],
  ['src/mcp/*.ts', 'plugins app server cli config state fastify legacySdk modernSdk'],
  // It has a server.ts of its own.
  ['src/mcp/legacy/*.ts', 'plugins app cli config state fastify modernSdk modern'],
  ['src/mcp/modern/*.ts', 'plugins app server cli config state fastify legacySdk legacy'],
  ['src/tools/*.ts', 'plugins app server cli config mcp fastify legacySdk modernSdk'],
  ['src/state/*.ts', 'plugins app server cli config mcp tools fastify legacySdk modernSdk'],
  // It opens the state for an app, whose type it names.
  ['src/state/open.ts', 'plugins app server cli config mcp tools legacySdk modernSdk'],
  ['src/principal/*.ts', 'plugins app server cli config mcp tools state fastify legacySdk modernSdk'],
  ['src/errors.ts', 'plugins app server cli config mcp tools state principal fastify legacySdk modernSdk']
]

/** Who may read the environment; the others take options. The default of `token.ts` stands in its docstring. */
const readEnvironment = ['plugins/env.ts', 'src/server.ts', 'src/cli/*.ts', 'src/principal/token.ts']
const environment = 'Only env.ts, server.ts and the commands read the environment; take an option.'

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.tap', 'bench/node_modules'] }),
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': 'allow-with-description', 'ts-ignore': true, 'ts-nocheck': true }]
    }
  },
  ...rooms.map(([file, names]) => ({
    files: [file],
    rules: { 'no-restricted-imports': ['error', { patterns: names.split(' ').map(name => groups[name]) }] }
  })),
  {
    files: ['src/**/*.ts', 'plugins/*.ts'],
    ignores: readEnvironment,
    rules: {
      'no-restricted-syntax': ['error',
        { selector: 'MemberExpression[object.name="process"][property.name="env"]', message: environment },
        { selector: ':matches(ImportDeclaration, ExportNamedDeclaration)[source.value=/^(node:)?process$/]', message: environment }
      ]
    }
  }
]
