/** Reads the settings and decorates the instance with `config`. */
import fastifyEnv from '@fastify/env'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { EnvOptions } from '../src/config/env-options.js'
import { configSchema, loadConfig, type Config } from '../src/config/load.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The settings under their environment names, parsed and frozen. Holds secrets: never send it or log it. */
    config: Config
  }
}

export type { EnvOptions }

const env: FastifyPluginAsync<EnvOptions> = async (fastify, { env = process.env, dotenv = true, config }) => {
  const { config: settings, warnings } = config === undefined ? loadConfig({ env, dotenv }) : { config, warnings: [] }
  // Parsed values, not the raw environment: the plugin would keep every string that it is given.
  await fastify.register(fastifyEnv, {
    confKey: 'config',
    schema: configSchema(),
    data: { ...settings },
    env: false,
    dotenv: false
  })
  Object.freeze(fastify.config)
  for (const warning of warnings) fastify.log.warn(warning)
}

/**
 * Reads and validates the settings and decorates the instance with `config`, frozen. Throws a `ConfigError` that lists
 * every problem.
 *
 * @example
 * await app.register(env, { dotenv: './.env' })
 * app.config.PORT   // 3000
 */
export default fp(env, { name: 'mcp-env', fastify: '5.x' })
