/** Lint: neostandard, and the import rules that keep the architecture one-way. */
import neostandard from 'neostandard'

const forbid = (files, patterns) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns }] }
})
const plugins = { group: ['**/plugins/*'], message: 'Only app.ts registers plugins; name it in `dependencies` and use its decorator.' }
const fastify = { group: ['fastify', 'fastify-plugin', '@fastify/*', '!@fastify/error'], message: 'This room knows nothing of Fastify: it takes values and returns values.' }

export default [
  ...neostandard({ ts: true, ignores: ['dist', '.tap', 'bench/node_modules'] }),
  forbid(['src/**/*.ts'], [plugins]),
  forbid(['src/app.ts'], []),
  forbid(['plugins/*.ts'], [{ group: ['./*.js'], message: plugins.message }]),
  forbid(['src/principal/**/*.ts', 'src/tools/**/*.ts', 'src/origins.ts', 'src/config.ts'], [plugins, fastify])
]
