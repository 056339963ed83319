/** Lint: neostandard, and the import rules that keep the architecture one-way. */
import neostandard from 'neostandard'

const forbid = (files, patterns) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns }] }
})
const plugins = { group: ['**/plugins/*'], message: 'Only app.ts registers plugins; name it in `dependencies` and use its decorator.' }
const fastify = { group: ['fastify', 'fastify-plugin', '@fastify/*', '!@fastify/error'], message: 'This room knows nothing of Fastify: it takes values and returns values.' }

const sdk = { group: ['@modelcontextprotocol/sdk', '@modelcontextprotocol/sdk/**'], message: 'Only the legacy era knows this SDK.' }
const serverSdk = { group: ['@modelcontextprotocol/server', '@modelcontextprotocol/server/**'], message: 'Only the modern era knows this SDK.' }
const legacy = { group: ['**/legacy/*'], message: 'An era knows nothing of the other.' }
const modern = { group: ['**/modern/*'], message: legacy.message }

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.tap', 'bench/node_modules'] }),
  forbid(['src/**/*.ts'], [plugins, sdk, serverSdk]),
  forbid(['src/app.ts'], [sdk, serverSdk]),
  forbid(['plugins/*.ts'], [{ group: ['./*.js'], message: plugins.message }]),
  forbid(['src/principal/**/*.ts', 'src/tools/**/*.ts', 'src/origins.ts', 'src/config.ts'], [plugins, fastify, sdk, serverSdk]),
  forbid(['src/mcp/*.ts'], [plugins, fastify, sdk, serverSdk]),
  forbid(['src/mcp/legacy/*.ts'], [plugins, fastify, serverSdk, modern]),
  forbid(['src/mcp/modern/*.ts'], [plugins, fastify, sdk, legacy])
]
