/** `can`: tells whether a caller can authenticate or call a tool, and which rule decides. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { statusOf } from '../../api-keys/changes.js'
import { listedKeyId } from '../../api-keys/listed-keys.js'
import { keyIdPattern } from '../../api-keys/format.js'
import { explainTool, type Explanation } from '../../explain/tool.js'
import { judgeToken } from '../../explain/token.js'
import type { LedgerIndex } from '../../ledger/index-in-memory.js'
import { codeOf } from '../../lib/guards.js'
import { OperatorError } from '../../lib/operator-error.js'
import { sha256 } from '../../lib/sha256.js'
import { escapeUnprintable } from '../../log/printable-line.js'
import { createRedactor } from '../../log/redact.js'
import { isVerified } from '../../principal/presented.js'
import { freezePrincipal, isRole, type Principal, roleForm } from '../../principal/principal.js'
import { noAttributes } from '../../principal/attributes.js'
import { identityOf } from '../../net/public-url.js'
import { isToolName, toolNameForm } from '../../tools/tool-name.js'
import { KeyDesk } from '../keys/desk.js'
import { credentialOf } from '../keys/views.js'
import { ledgerHere } from '../state/ledger.js'
import { listed, once } from '../terminal/parse-arguments.js'
import { settingsWith } from '../state/settings.js'
import { safeText } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'
import { circumstancesOf } from './circumstances.js'

const help = `
Prints "allowed" or "denied" and the rule that decides, based on the settings, the key file, the state
directory, TOOL_POLICY_FILE and UPSTREAMS_FILE. Exits with 0 if allowed, otherwise with 1. Without a tool, checks
if the caller can authenticate. A tool of your app is known only if TOOL_POLICY_FILE names it, and a rule in
its code cannot be checked.

  $ fastify-mcp-auth can k3vd81qmx0aa generate-token
  $ fastify-mcp-auth can --token-file token.txt search
  $ fastify-mcp-auth can --principal-role user --principal-scopes files:read search`

interface Arguments {
  readonly tokenFile?: string
  readonly principalRole?: string
  readonly principalScopes?: readonly string[]
  readonly principalId?: string
  readonly json?: boolean
}

/** The caller, or the reason why it cannot authenticate. */
type FoundCaller = { readonly principal: Principal, readonly known: string } | { readonly denied: string }

export function canCommand (terminal: Terminal, fail: () => void): Command {
  return new Command('can')
    .description('explain whether a key, token or role can authenticate or call a tool')
    .argument('[key]', 'the id of an API key, as shown by "keys list"; omit with --token-file or --principal-role')
    .argument('[tool]', 'the name of a tool')
    .option('--token-file <file>', 'a file with a token of this server', once('--token-file'))
    .option('--principal-role <role>', 'any caller with this role', once('--principal-role'))
    .option('--principal-scopes <scopes>', 'and with these scopes, comma-separated', listed)
    .option('--principal-id <id>', 'and with this id, as shown by whoami', once('--principal-id'))
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (first: string | undefined, second: string | undefined, given: Arguments) => {
      const isNamed = given.tokenFile !== undefined || given.principalRole !== undefined
      const [key, tool] = isNamed ? [undefined, first] : [first, second]
      requireOneCaller(given, isNamed && second !== undefined)
      // Not the name itself in the message: it may be a credential.
      if (tool !== undefined && !isToolName(tool)) throw new OperatorError(`The name of the tool ${toolNameForm}.`)
      const ledger = await ledgerHere(terminal)
      const caller = await callerOf(key, given, terminal, ledger)
      const explained =
        'denied' in caller
          ? { allowed: false, rule: caller.denied }
          : await explain(caller, tool, terminal, ledger)
      const who = 'principal' in caller ? describe(caller.principal) : undefined
      const redact = createRedactor()
      const lines = [
        explained.allowed ? 'allowed' : 'denied',
        explained.rule,
        ...(who === undefined ? [] : [`Caller: ${who}`])
      ].map(safeText)
      terminal.print(
        redact(
          given.json === true
            ? escapeUnprintable(JSON.stringify({ ...explained, caller: who ?? null }, null, 2))
            : lines.join('\n')
        )
      )
      if (!explained.allowed) fail()
    })
}

/** Refuses what would otherwise be ignored. */
function requireOneCaller (
  { tokenFile, principalRole, principalScopes, principalId }: Arguments,
  hasTwoArguments: boolean
): void {
  if (hasTwoArguments || (tokenFile !== undefined && principalRole !== undefined)) {
    throw new OperatorError('Pass either a key, --token-file or --principal-role, and at most one tool.')
  }
  if (principalRole === undefined && (principalScopes !== undefined || principalId !== undefined)) {
    throw new OperatorError('--principal-scopes and --principal-id need --principal-role.')
  }
  if (principalRole !== undefined && !isRole(principalRole)) {
    throw new OperatorError(`--principal-role ${roleForm}.`)
  }
}

async function callerOf (
  key: string | undefined,
  given: Arguments,
  terminal: Terminal,
  ledger: LedgerIndex
): Promise<FoundCaller> {
  if (given.tokenFile !== undefined) { return byToken(resolve(terminal.directory, given.tokenFile), terminal, ledger) }
  if (given.principalRole !== undefined) {
    const { principalRole: role, principalScopes: scopes = [], principalId: id = 'user:somebody' } = given
    return {
      principal: freezePrincipal({ id, role, scopes, method: 'api-key', attributes: noAttributes }),
      known: `A caller with the role ${role} and a valid credential can authenticate.`
    }
  }
  if (key === undefined) throw new OperatorError('Pass the id of a key, --token-file or --principal-role.')
  return await byKey(key.trim().replace(/^apikey:/, ''), terminal, ledger)
}

async function byKey (id: string, terminal: Terminal, ledger: LedgerIndex): Promise<FoundCaller> {
  // Not in the argument parser: it would print a refused argument, which may be a credential.
  if (!keyIdPattern.test(id)) {
    throw new OperatorError(
      'The argument is not a key id. An id has twelve lower-case letters and digits; "keys list" shows ' +
        'the ids.'
    )
  }
  const desk = new KeyDesk(terminal)
  const place = await desk.place({})
  const record = (await desk.read(place, { mayBeMissing: true })).find(key => key.id === id)
  if (record !== undefined && !place.isDefault) {
    const status = ledger.isRevoked(credentialOf(record)) ? 'revoked' : statusOf(record)
    if (status !== 'active') return { denied: `Key ${id} (${record.name}) is ${status}.` }
    const { owner, role, scopes, cidrs } = record
    const where = cidrs.length === 0 ? '' : `, only from ${cidrs.join(', ')}`
    return {
      principal: freezePrincipal({
        id: owner,
        role,
        scopes,
        method: 'api-key',
        keyId: id,
        attributes: noAttributes
      }),
      known: `Key ${id} (${record.name}) is active${where}.`
    }
  }
  if (desk.configuredKeys().some(key => listedKeyId(sha256(key)) === id)) {
    const principal = freezePrincipal({
      id: `apikey:${id}`,
      role: 'user',
      scopes: [],
      method: 'api-key',
      keyId: id,
      attributes: noAttributes
    })
    return ledger.isRevoked(principal)
      ? { denied: `Key ${id} of API_KEYS was revoked with "tokens".` }
      : { principal, known: `Key ${id} is in API_KEYS.` }
  }
  return {
    denied:
      record === undefined
        ? `Neither the key file ${place.path} nor API_KEYS contains a key ${id}.`
        : `Key ${id} is in ${place.path}, which the server does not use until API_KEYS_FILE names it.`
  }
}

function byToken (path: string, terminal: Terminal, ledger: LedgerIndex): FoundCaller {
  const token = textOf(path)
  const { config } = settingsWith('JWT_SECRET', terminal)
  const secrets = [config.JWT_SECRET, ...config.JWT_SECRET_PREVIOUS].filter(secret => secret !== undefined)
  if (secrets.length === 0) return { denied: 'JWT_SECRET is not set, so no token of this server is accepted.' }
  const { audience } = identityOf(config.PUBLIC_URL, config.JWT_ISSUER)
  const names = [...config.JWT_AUDIENCE, ...audience === undefined ? [] : [audience]]
  const verdict = judgeToken(token, secrets, { toleranceSeconds: config.JWT_CLOCK_TOLERANCE, audience: names })
  if (!isVerified(verdict)) {
    return {
      denied: `${verdict.reason}. Tokens of identity providers and of signed-in clients cannot be checked here; ` +
        'for a client, check the key that it was signed in with ("grants" shows it).'
    }
  }
  const { principal } = verdict
  return ledger.isRevoked(principal)
    ? { denied: `Token ${principal.tokenId ?? ''} was revoked.` }
    : { principal, known: 'The token is signed by this server and has not expired.' }
}

function textOf (path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    // Without the path, because people pass the token in its place.
    throw new OperatorError(
      `The file of --token-file cannot be read (${codeOf(error)}); pass its path, not the token`
    )
  }
}

async function explain (
  { principal, known }: { principal: Principal; known: string },
  tool: string | undefined,
  terminal: Terminal,
  ledger: LedgerIndex
): Promise<Explanation> {
  const circumstances = await circumstancesOf(terminal, ledger, tool)
  if (tool !== undefined) return explainTool(principal, tool, circumstances)
  const frozen = ledger.freezes.frozenFor(principal)
  if (frozen !== undefined) {
    return { allowed: false, rule: `${known} ${frozen} is frozen: it may call only whoami.` }
  }
  const names = circumstances.tools
    .map(({ name }) => name)
    .filter(name => explainTool(principal, name, circumstances).allowed)
  return {
    allowed: true,
    rule: `${known} Built-in tools that it may call: ${names.join(', ') || 'none'}.`
  }
}

function describe ({ id, role, scopes, keyId }: Principal): string {
  return [
    id,
    `role ${role}`,
    `scopes ${scopes.join(' ') || 'none'}`,
    ...(keyId === undefined ? [] : [`key ${keyId}`])
  ].join(', ')
}
