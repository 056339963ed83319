/** Reads which tools the server would serve, and under which rules, for `can`. */
import { resolve } from 'node:path'
import { builtInTools } from '../../built-ins/index.js'
import type { Circumstances, UpstreamTool } from '../../explain/tool.js'
import type { LedgerIndex } from '../../ledger/index-in-memory.js'
import { Ledger } from '../../ledger/ledger.js'
import { asSetting, policyFileOf, upstreamsOfSettings } from '../../setting-files.js'
import { readToolPolicies } from '../../tools/policy-file.js'
import { requireItem } from '../../tools/validate.js'
import { exposedName } from '../../upstreams/definitions.js'
import { type Lock, readLock } from '../../upstreams/lock.js'
import { readUpstreams, UpstreamError } from '../../upstreams/options.js'
import { settingsWith } from '../state/settings.js'
import type { Terminal } from '../terminal/terminal.js'

/**
 * Builds the built-in tools that the server would serve. None of them is called, and no upstream is asked.
 * `name`: the tool in question. Rejects with a `ConfigError` for an invalid file of a setting.
 */
export async function circumstancesOf (
  terminal: Terminal,
  ledger: LedgerIndex,
  name: string | undefined
): Promise<Circumstances> {
  const { config } = settingsWith('TOOL_POLICY_FILE', terminal)
  const { JWT_SECRET: secret, JWT_ISSUER, OAUTH_SERVER, MINT_POLICY: policy, TOKEN_MAX_TTL: maxTtlSeconds } = config
  const state = await Ledger.open()
  await state.close()
  const isMinting = secret !== undefined && policy !== 'off'
  const takesTokens = secret !== undefined || JWT_ISSUER !== undefined
  const grants = { list: async () => [], revoke: async () => false }
  const tools = builtInTools({ minting: { secret: secret ?? '', maxTtlSeconds, state, policy }, state, grants })
  const served = builtInTools({
    minting: isMinting ? { secret, maxTtlSeconds, state, policy } : undefined,
    state: takesTokens ? state : undefined,
    grants: OAUTH_SERVER === 'on' ? grants : undefined
  })
  const why = (name: string): string => {
    if (name.endsWith('-grant') || name.endsWith('-grants')) return 'OAUTH_SERVER is off'
    return name === 'generate-token' && secret !== undefined ? 'MINT_POLICY is off' : 'JWT_SECRET is not set'
  }
  const absent = tools.map(({ name }) => name).filter(name => !served.some(tool => tool.name === name))
  return {
    tools: served,
    policies: await asSetting(() => readToolPolicies(policyFileOf(config, terminal.directory))),
    frozenFor: (principal, name) => name === 'whoami' ? undefined : ledger.freezes.frozenFor(principal, name),
    absent: new Map(absent.map(name => [name, why(name)])),
    // Not for other names: the file may use variables that are not set here.
    upstreamTool:
      name === undefined || tools.some(tool => tool.name === name)
        ? undefined
        : await asSetting(() => upstreamTool(name, terminal))
  }
}

/** The tool of an upstream that would have this name. Throws an `UpstreamError` or a `LockError`. */
function upstreamTool (name: string, terminal: Terminal): UpstreamTool | undefined {
  const { env, directory } = terminal
  const { config } = settingsWith('UPSTREAMS_FILE', terminal)
  const given = upstreamsOfSettings(config, env, directory)
  if (given === undefined) return undefined
  const { UPSTREAMS_LOCK: lockFile } = config
  const lock = lockFile === undefined ? undefined : readLock(resolve(directory, lockFile)) ?? {}
  const found = readUpstreams(given, env).flatMap(upstream => {
    const { prefix, rename = {}, name: upstreamName, access } = upstream
    const renamed = Object.keys(rename).filter(own => rename[own] === name)
    return [...renamed, ...name.startsWith(prefix) ? [name.slice(prefix.length)] : []]
      .filter(ownName => ownName !== '' && exposedName(upstream, ownName) === name)
      .map(ownName => ({ upstream: upstreamName, ownName, access, isApproved: isIn(lock, upstreamName, ownName) }))
  })
  // Several may fit without a prefix. The approved one is served.
  const tool = found.find(({ isApproved }) => isApproved) ?? found[0]
  if (tool !== undefined) requireRule(name, tool)
  return tool
}

function isIn (lock: Lock | undefined, upstream: string, tool: string): boolean | undefined {
  if (lock === undefined) return undefined
  return Object.hasOwn(lock, upstream) && Object.hasOwn(lock[upstream] ?? {}, tool)
}

/** The server refuses an invalid rule when it serves the tool. */
function requireRule (name: string, { upstream, access }: UpstreamTool): void {
  try {
    requireItem('Tool', { name, handler: () => '', ...access === undefined ? {} : { access } })
  } catch (error) {
    throw new UpstreamError(`Upstream ${JSON.stringify(upstream)}: ${error instanceof Error ? error.message : ''}`)
  }
}
