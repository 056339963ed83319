/** `freeze` and `thaw`: switch tools, callers, keys or everything off and on again. */
import { Command } from 'commander'
import { keyIdPattern } from '../../api-keys/format.js'
import { isTarget, type Target } from '../../freeze/target.js'
import { commandLine } from '../../ledger/records.js'
import { OperatorError } from '../../lib/operator-error.js'
import { holdsWholeCredential } from '../../principal/credential-forms.js'
import { readsLikePrincipal } from '../../principal/principal.js'
import { isToolName, toolNameForm } from '../../tools/tool-name.js'
import { recordChanges } from '../state/audit.js'
import { withState } from '../state/ledger.js'
import { repeated } from '../terminal/parse-arguments.js'
import { safeText } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const freezeHelp = `
A running server with the same STATE_DIR (or REDIS_URL) applies this within a second: it ends the affected
calls and streams, and refuses new ones with "Switched off by the operator". Callers can still authenticate,
list items, and see with whoami what is off. While everything is off, /ready says "degraded".

  $ fastify-mcp-auth freeze --tool send-mail
  $ fastify-mcp-auth freeze --principal user:ada
  $ fastify-mcp-auth freeze --key k3vd81qmx0aa
  $ fastify-mcp-auth freeze --all
  $ fastify-mcp-auth freeze --list`

const thawHelp = `
A running server with the same STATE_DIR (or REDIS_URL) applies this within a second. --all ends what
"freeze --all" began. A tool, caller or key that was switched off by itself stays off until it is named.

  $ fastify-mcp-auth thaw --tool send-mail
  $ fastify-mcp-auth thaw --all
  $ fastify-mcp-auth thaw --list`

interface Arguments {
  readonly all?: boolean
  readonly tool?: readonly string[]
  readonly principal?: readonly string[]
  readonly key?: readonly string[]
  readonly list?: boolean
  readonly json?: boolean
}

export function freezeCommand (terminal: Terminal): Command {
  return switching(terminal, 'freeze', 'switch off a tool, a caller, a key, or everything')
}

export function thawCommand (terminal: Terminal): Command {
  return switching(terminal, 'thaw', 'switch on again what freeze switched off')
}

function switching (terminal: Terminal, name: 'freeze' | 'thaw', description: string): Command {
  const kind = name === 'freeze' ? 'frozen' : 'thawed'
  return new Command(name)
    .description(description)
    .option('--all', name === 'freeze' ? 'everything except whoami' : 'everything that "freeze --all" switched off')
    .option('--tool <name>', 'a tool, for all callers; this and the next two may be repeated', repeated)
    .option('--principal <id>', 'a caller, by the id that whoami shows, such as user:ada', repeated)
    .option('--key <id>', 'an API key, by the id that "keys list" shows', repeated)
    .option('--list', 'only list what is switched off')
    .option('--json', 'as JSON')
    .addHelpText('after', name === 'freeze' ? freezeHelp : thawHelp)
    .action(async (given: Arguments) => {
      const targets = targetsIn(given)
      if (targets.length === 0 && given.list !== true) {
        throw new OperatorError(`Name what to ${name}: --all, --tool, --principal or --key.`)
      }
      if (targets.length > 0 && given.list === true) {
        throw new OperatorError('Nothing was changed: --list only lists. Omit it, or omit what it is given with.')
      }
      // `thaw` must accept whatever is frozen.
      const remarks = kind === 'frozen' ? targets.map(remarkOn).filter(text => text !== undefined) : []
      await withState(terminal, async state => {
        const before = state.frozen()
        for (const target of targets) await state.switch(kind, target, commandLine)
        const changed = targets.filter(target => before.includes(target) !== (kind === 'frozen'))
        await recordChanges(terminal, changed.map(target => ({ kind, about: { target } })))
        const frozen = state.frozen()
        for (const remark of remarks) terminal.complain(safeText(remark))
        if (given.json === true) return terminal.print(JSON.stringify({ frozen }, null, 2))
        for (const target of targets) terminal.print(safeText(sentenceFor(target, kind, before.includes(target))))
        terminal.print(
          frozen.length === 0 ? 'Nothing is switched off.' : safeText(`Switched off: ${frozen.join(', ')}`)
        )
      })
    })
}

function targetsIn ({ all, tool = [], principal = [], key = [] }: Arguments): Target[] {
  const named = [
    ...all === true ? ['all'] : [],
    ...tool.map(name => `tool:${name}`),
    ...principal.map(id => `principal:${id}`),
    ...key.map(id => `key:${id.trim().replace(/^apikey:/, '')}`)
  ]
  // Not in the argument parser: it would print a refused argument, which may be a credential.
  if (named.some(text => holdsWholeCredential(text))) {
    throw new OperatorError('Nothing was changed: an argument is a credential. Pass its id instead.')
  }
  if (!named.every(isTarget)) {
    throw new OperatorError('Nothing was changed: an argument is empty, too long or contains a line break.')
  }
  return [...new Set(named.filter(isTarget))]
}

/**
 * A warning about a name that may have no effect. An app can choose other ids of callers and keys, so they are
 * not refused. Throws an `OperatorError` for a name that no tool can have.
 */
function remarkOn (target: Target): string | undefined {
  const [kind, name] = [target.slice(0, target.indexOf(':')), target.slice(target.indexOf(':') + 1)]
  if (kind === 'tool' && !isToolName(name)) {
    throw new OperatorError(`Nothing was changed: the name of a tool ${toolNameForm}.`)
  }
  if (target === 'tool:whoami') return 'Note: the built-in whoami cannot be switched off.'
  if (kind === 'principal' && !readsLikePrincipal(name)) {
    return `Note: ${name} is not an id of a caller, unless your app chose it. whoami and the log show the ids.`
  }
  if (kind === 'key' && !keyIdPattern.test(name)) {
    return `Note: ${name} is not an id of a key, unless your app chose it. "keys list" shows the ids.`
  }
  return undefined
}

function sentenceFor (target: Target, kind: 'frozen' | 'thawed', wasFrozen: boolean): string {
  const state = kind === 'frozen' ? 'off' : 'on'
  return wasFrozen === (kind === 'frozen')
    ? `${target} was already switched ${state}.`
    : `${target} is switched ${state}.`
}
