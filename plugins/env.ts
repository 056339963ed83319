/** Validates the environment and puts the typed configuration on the instance. */
import fastifyEnv from '@fastify/env'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { configSchema, loadConfig, type Config, type Environment } from '../src/config/load.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The settings under their environment names, parsed and frozen. Holds secrets: never send it or log it. */
    config: Config
  }
}

export interface EnvOptions {
  /** The environment to read. `process.env` where left out. */
  env?: Environment
  /** The file below it: a path, `true` for `./.env` (default), `false` for none. A missing file is no problem. */
  dotenv?: boolean | string
  /** A configuration that was loaded already; then nothing is read and nothing is warned about. */
  config?: Config
}

/** Throws a `ConfigError` with every problem at once, so that a faulty setting stops the boot. */
const env: FastifyPluginAsync<EnvOptions> = async (fastify, { env = process.env, dotenv = true, config }) => {
  const { config: settings, warnings } = config === undefined ? loadConfig({ env, dotenv }) : { config, warnings: [] }
  // Our values, not the raw environment: the plugin would keep the text of everything it is given.
  await fastify.register(fastifyEnv, { confKey: 'config', schema: configSchema(), data: { ...settings }, env: false, dotenv: false })
  Object.freeze(fastify.config)
  for (const warning of warnings) fastify.log.warn(warning)
}

export default fp(env, { name: 'mcp-env', fastify: '5.x' })
