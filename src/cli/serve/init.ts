/** `init`: writes `.env` with fresh secrets, once, and prints how to use them. */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { ConfigError, endpointOf, readConfig, readSettings, type Config, type Environment } from '../../config/load.js'
import { OperatorError } from '../../lib/operator-error.js'
import type { Terminal } from '../terminal/terminal.js'
import { codeOf } from '../../lib/guards.js'
import { ignoreSecrets } from './gitignore.js'

const help = `
Writes .env into the working directory, readable only by its owner, and adds it and .state/ to .gitignore
in a repository. Prints the key once, with a curl command and a client configuration that use it. Keeps an
existing .env, and then prints no secret. Exits with 1 if nothing can be written, or if the server would not
start with the settings of the environment and the existing .env.

  $ fastify-mcp-auth init && fastify-mcp-auth start`

interface Secrets { readonly API_KEYS: string, readonly JWT_SECRET: string }

export function initCommand (terminal: Terminal): Command {
  return new Command('init')
    .description('write .env with a fresh API key and JWT secret')
    .addHelpText('after', help)
    .action(() => { init(terminal) })
}

/** Writes `.env`. Also used by `proxy` at its first run: with `isProxy` the server is starting, and has tools. */
export function init ({ env, directory, print, complain }: Terminal, isProxy = false): void {
  const path = join(directory, '.env')
  const secrets: Secrets = { API_KEYS: `mcp_${randomSecret()}`, JWT_SECRET: randomSecret() }
  if (existsSync(path)) return print(kept(env, path))
  const { config, problems, sources } = readConfig(env, { values: { ...secrets }, faults: [] })
  // Before anything is written: the server would not start with these settings of the environment.
  if (problems.length > 0) throw new ConfigError(problems)
  if (!writeOnce(path, envText(secrets))) return print(kept(env, path))
  const ignored = keepOutOfGit(directory, complain)
  for (const name of ['API_KEYS', 'JWT_SECRET'] as const) {
    if (sources[name] === 'environment') {
      complain(`Warning: ${name} is set in the environment, which takes precedence over .env`)
    }
  }
  print(welcome(config, ignored, sources.API_KEYS === '.env' ? secrets.API_KEYS : undefined, isProxy))
}

/** Keeps the secrets out of a repository. A failure is only a warning, because `.env` has been written. */
function keepOutOfGit (directory: string, complain: (line: string) => void): readonly string[] {
  try {
    return ignoreSecrets(directory)
  } catch (error) {
    complain(
      `Warning: .gitignore cannot be written (${codeOf(error)}): keep .env and .state/ out of the repository.`
    )
    return []
  }
}

function randomSecret (): string {
  return randomBytes(32).toString('base64url')
}

/** Returns false if `.env` already exists. Removes the file if it could not be written completely. */
function writeOnce (path: string, text: string): boolean {
  let file: number
  try {
    file = openSync(path, 'wx', 0o600)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw new OperatorError(`Cannot write ${path} (${codeOf(error)}); run this in a directory that you can write to.`)
  }
  try {
    writeFileSync(file, text)
    return true
  } catch (error) {
    rmSync(path, { force: true })
    throw new OperatorError(`Cannot write ${path} (${codeOf(error)}).`)
  } finally {
    closeSync(file)
  }
}

function envText ({ API_KEYS, JWT_SECRET }: Secrets): string {
  return `# Written by fastify-mcp-auth init. .env.example explains every setting.

# API keys, comma-separated. A client sends one as the header x-api-key.
API_KEYS=${API_KEYS}

# The secret that signs and verifies tokens.
JWT_SECRET=${JWT_SECRET}
`
}

/** Throws an `OperatorError` if the server would not start with the existing `.env`. */
function kept (env: Environment, path: string): string {
  const { config, problems, unread } = readSettings({ env, dotenv: path })
  if (problems.length > 0) {
    throw new OperatorError(`.env already exists and was not changed, but the server would not start with it:
${new ConfigError(problems, unread).message}
Correct it, or move it away and run init again.`)
  }
  return `.env already exists and was not changed; the server would start with it.
Endpoint: ${endpointText(config)}
Settings: npx fastify-mcp-auth config`
}

/** `key` is omitted if the environment sets another key. */
function welcome (config: Config, ignored: readonly string[], key = 'YOUR_API_KEY', isProxy = false): string {
  const url = endpointText(config)
  const remark = ignored.length === 0 ? '' : `\nAdded ${ignored.join(' and ')} to .gitignore.`
  const client = { mcpServers: { 'fastify-mcp-auth': { type: 'http', url, headers: { 'x-api-key': key } } } }
  const headers = `-H 'x-api-key: ${key}' -H 'Content-Type: application/json'`
  return `
Wrote .env with a new API key and a new JWT secret. The key is not shown again; .env contains both.${remark}

  Endpoint   ${url}
  API key    ${key}

Try it ${isProxy ? 'when the server is ready' : 'after you start the server'}:

  curl -s ${url} ${headers} -d '${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })}'
${isProxy ? '' : demoHint}
Configuration for an MCP client:

${JSON.stringify(client, null, 2).replace(/^/gm, '  ')}

Create a JWT for a user (sent as Authorization: Bearer …):

  npx fastify-mcp-auth token --user ada --role user --expires 1h
`
}

const demoHint = `
The server has only "whoami" and the token tools until you add yours. To try a few more:

  npx fastify-mcp-auth start --demo
`

function endpointText (config: Config): string {
  return config.PORT === 0 && config.PUBLIC_URL === undefined
    ? endpointOf(config).replace(':0/', ':PORT/')
    : endpointOf(config)
}
