/** `lint`: checks the tools of a server against the rules of MCP directories. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command, Option } from 'commander'
import { type Config, ConfigError } from '../../config/load.js'
import { isRecord } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { type Directory, directories, type LintFinding, lintTools } from '../../lint/lint.js'
import { lintSettings } from '../../lint/settings.js'
import { createRedactor } from '../../log/redact.js'
import type { Tool } from '../../tools/tool.js'
import { settingsAt } from '../state/settings.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Checks the built-in tools, those of UPSTREAMS_FILE under TOOL_POLICY_FILE, and those of --tools: a module
that exports an array as "tools" or as its default. With --for, also checks the settings that this directory
requires. Nothing is served, and no tool is called. Exits with 1 if there is a finding. See docs/publish.md.

  $ fastify-mcp-auth lint
  $ fastify-mcp-auth lint --for claude --tools dist/tools.js`

interface Arguments { readonly for?: Directory, readonly tools?: string, readonly json?: boolean }

/** Calls `fail` if there are findings. */
export function lintCommand (terminal: Terminal, fail: () => void): Command {
  return new Command('lint')
    .description('check the tools against the rules of directories')
    .addOption(new Option('--for <directory>', 'check the requirements of this directory').choices(directories))
    .option('--tools <file>', 'a module with your tools')
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async ({ for: directory, tools: file, json = false }: Arguments) => {
      const { config, problems } = settingsAt(terminal)
      if (problems.length > 0) throw new ConfigError(problems)
      const own = file === undefined ? [] : await toolsIn(resolve(terminal.directory, file))
      const all = await offeredBy(config, own, terminal)
      const findings = [
        ...(directory === undefined ? [] : lintSettings(config, directory)),
        ...lintTools(all, { for: directory, resultLimit: config.RESULT_LIMIT })
      ]
      // A description may contain a credential by mistake.
      const redact = createRedactor()
      const names = all.map(({ name }) => name)
      terminal.print(redact(json ? JSON.stringify({ tools: names, findings }, null, 2) : report(names, findings)))
      if (findings.length > 0) fail()
    })
}

/** Builds the app with these settings to read its tools. It does not listen, and writes nothing. */
async function offeredBy (
  config: Config,
  tools: readonly Tool[],
  { env, directory }: Terminal
): Promise<readonly Tool[]> {
  const at = (file: string | undefined): string | undefined => file === undefined ? undefined : resolve(directory, file)
  const { buildApp } = await import('../../app.js')
  const app = await buildApp({
    config: {
      ...config,
      LOG_LEVEL: 'silent',
      API_KEYS: ['key-of-the-lint-command'],
      API_KEYS_FILE: undefined,
      API_KEYS_IN: 'file',
      TOOL_POLICY_FILE: at(config.TOOL_POLICY_FILE),
      UPSTREAMS_FILE: at(config.UPSTREAMS_FILE),
      UPSTREAMS_LOCK: at(config.UPSTREAMS_LOCK),
      JWT_ISSUERS_FILE: at(config.JWT_ISSUERS_FILE),
      REDIS_URL: undefined,
      AUDIT_FILE: undefined,
      AUDIT_STDOUT: 'off',
      METRICS_PORT: undefined
    },
    env,
    stateDir: undefined,
    tools,
    logStream: { write: () => {} }
  }).catch((error: unknown) => {
    // The app refuses invalid tools with these errors.
    throw error instanceof TypeError || error instanceof RangeError ? new OperatorError(error.message) : error
  })
  try {
    await app.ready()
    return app.mcp.listTools()
  } finally {
    await app.close()
  }
}

async function toolsIn (path: string): Promise<readonly Tool[]> {
  let module: unknown
  try {
    module = await import(pathToFileURL(path).href)
  } catch (error) {
    throw new OperatorError(`${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`)
  }
  const list = isRecord(module) ? module.tools ?? module.default : undefined
  if (Array.isArray(list)) return list as Tool[]
  throw new OperatorError(`${path} must export an array of tools, as "tools" or as its default.`)
}

function report (tools: readonly string[], findings: readonly LintFinding[]): string {
  if (findings.length === 0) return `Nothing found in ${tools.length} ${tools.length === 1 ? 'tool' : 'tools'}.`
  return findings
    .map(({ id, tool, what, fix }) => `${id}: ${tool === undefined ? what : `Tool "${tool}" ${what}`}.\n  Fix: ${fix}.`)
    .join('\n')
}
