/** `keys`: makes, shows, replaces and ends managed API keys, with or without a running server. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { createKey, find, importKeys, KeyChangeError, type KeyOptions, revokeKey, rotateKey, setDisabled } from '../principal/key-changes.js'
import { changeKeyFile, readKeyFile } from '../principal/key-file.js'
import { verifyOnce } from '../principal/key-ring.js'
import type { Role } from '../principal/principal.js'
import { parseLifetime } from '../principal/token.js'
import { listed } from './arguments.js'
import { defaultFile, type FileArguments, KeyDesk } from './key-desk.js'
import { credentialOf } from './key-views.js'
import { OperatorError } from './operator-error.js'
import type { Terminal } from './terminal.js'

const help = `
Keys are kept in API_KEYS_FILE (${defaultFile} where that is not set) as digests: a key is shown once,
when it is made. A running server follows the file within a second.

  $ fastify-mcp-auth keys create --name laptop
  $ fastify-mcp-auth keys create --name ci --owner ada --scopes files:read --expires 90d --cidrs 10.0.0.0/8
  $ fastify-mcp-auth keys list
  $ fastify-mcp-auth keys rotate k3vd81qmx0aa --grace 2h
  $ fastify-mcp-auth keys revoke k3vd81qmx0aa
  $ printenv API_KEYS | fastify-mcp-auth keys import --name old
  $ printenv MCP_KEY | fastify-mcp-auth keys verify

With npm, say it is to be silent where the output goes to a file or a program:

  $ npm run --silent keys -- create --name laptop --json`

/** `fail` is called where `verify` finds that a key is not good. */
export function keysCommand (terminal: Terminal, fail: () => void): Command {
  const desk = new KeyDesk(terminal)
  const command = new Command('keys').description('keep managed API keys').addHelpText('after', help)
  const commands = [
    createCommand(desk), listCommand(desk), showCommand(desk), rotateCommand(desk),
    changeCommand(desk, 'revoke', 'end a key for good', revokeKey),
    changeCommand(desk, 'disable', 'refuse a key until it is enabled again', (records, id) => setDisabled(records, id, true)),
    changeCommand(desk, 'enable', 'accept a disabled key again', (records, id) => setDisabled(records, id, false)),
    importCommand(desk), verifyCommand(desk, fail)
  ]
  for (const one of commands) command.addCommand(one)
  return command
}

interface KeyArguments extends FileArguments {
  readonly name: string
  readonly owner?: string
  readonly role: Role
  readonly scopes?: readonly string[]
  readonly expires?: number
  readonly cidrs?: readonly string[]
  readonly rateLimit?: number
}

function createCommand (desk: KeyDesk): Command {
  return keyOptions(subcommand('create', 'make a key and print it, once'))
    .requiredOption('-n, --name <name>', 'what people call it')
    .action(async (given: KeyArguments) => {
      const { path, isDefault } = await desk.place(given)
      // Not shown before it is on the disk: a key that nobody knows is no key.
      const shown = await changeKeyFile(path, records => createKey(records, optionsOf(given)), { create: true })
      const { id, owner, role } = shown.record
      await desk.hand(shown, given, [
        `Key ${id} is for ${owner}, role ${role}. It is shown this once; the file keeps a digest.`,
        ...isDefault ? [`It is in ${path}. The server accepts it with API_KEYS_FILE=${defaultFile}.`] : []
      ])
    })
}

function listCommand (desk: KeyDesk): Command {
  return subcommand('list', 'show all keys').action(async (given: FileArguments) => {
    const place = await desk.place(given)
    desk.list(await readKeyFile(place.path), place, given)
  })
}

function showCommand (desk: KeyDesk): Command {
  return subcommand('show', 'show one key').argument('<id>', 'its id').action(async (id: string, given: FileArguments) => {
    const place = await desk.place(given)
    desk.show(find(await readKeyFile(place.path), id), place, given)
  })
}

function rotateCommand (desk: KeyDesk): Command {
  return subcommand('rotate', 'give a key another secret, and print it once')
    .argument('<id>', 'its id')
    .option('-g, --grace <lifetime>', 'how long the old secret works still: 0, 90s, 15m, 1h, 7d, or seconds (default: 24h)', graceSeconds, 86_400)
    .action(async (id: string, given: FileArguments & { readonly grace: number }) => {
      const { path, isRevoked } = await desk.place(given)
      const shown = await changeKeyFile(path, records => {
        const changed = rotateKey(records, id, given.grace)
        if (isRevoked(credentialOf(changed.result.record))) throw new KeyChangeError('That key was revoked with "tokens", and another secret of it would be refused, too: create another key')
        return changed
      })
      const end = shown.record.secrets[1]?.endsAt
      await desk.hand(shown, given, [
        `Key ${id} has another secret, which is shown this once. ${given.grace === 0 || end === undefined ? 'The old one is refused.' : `The old one works until ${end}.`}`
      ])
    })
}

function changeCommand (desk: KeyDesk, name: string, description: string, change: typeof revokeKey): Command {
  return subcommand(name, description).argument('<id>', 'its id').action(async (id: string, given: FileArguments) => {
    const place = await desk.place(given)
    desk.show(await changeKeyFile(place.path, records => change(records, id)), place, given)
  })
}

function importCommand (desk: KeyDesk): Command {
  return keyOptions(subcommand('import', 'take over keys that are in use, from standard input'))
    .option('-n, --name <name>', 'what people call them', 'imported')
    .addHelpText('after', '\nOne key a line, or comma-separated as in API_KEYS. Their callers stay who they are, unless --owner\nnames another. Take them out of API_KEYS afterwards.')
    .action(async (given: KeyArguments) => {
      const place = await desk.place(given)
      const keys = (await desk.secret()).split(/[\s,]+/).filter(key => key !== '')
      desk.list(await changeKeyFile(place.path, records => importKeys(records, keys, optionsOf(given)), { create: true }), place, given)
    })
}

function verifyCommand (desk: KeyDesk, fail: () => void): Command {
  return subcommand('verify', 'tell whether a key is good; exit code 1 where it is not')
    .option('-a, --address <address>', 'as if it came from there; left out, networks are not looked at')
    .addHelpText('after', '\nReads the key from standard input, or asks for it: never give one as an argument.\n\n  $ printenv MCP_KEY | fastify-mcp-auth keys verify')
    .action(async (given: FileArguments & { readonly address?: string }) => {
      const { path, isRevoked } = await desk.place(given)
      const records = await readKeyFile(path)
      const key = (await desk.secret()).trim()
      if (key === '') throw new OperatorError('There is no key on standard input')
      const judged = verifyOnce(records, key, given.address)
      const verdict = 'principal' in judged && isRevoked(judged.principal) ? { reason: 'the API key was revoked with "tokens"' } : judged
      if ('principal' in verdict) {
        const { keyId: id = '', id: owner, role, scopes } = verdict.principal
        return desk.answer(`Good: key ${id} of ${owner}, role ${role}`, { good: true, id, owner, role, scopes }, given)
      }
      fail()
      desk.answer(`Not good: ${verdict.reason}`, { good: false, reason: verdict.reason }, given)
    })
}

function subcommand (name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('-f, --file <path>', `the key file; API_KEYS_FILE, or ${defaultFile}, where left out`)
    .option('--json', 'as JSON')
}

function keyOptions (command: Command): Command {
  return command
    .option('-o, --owner <owner>', 'whom it is for: all keys of an owner are one caller; left out, the key stands for itself')
    .addOption(new Option('-r, --role <role>', 'what it may do').choices(['user', 'admin']).default('user'))
    .option('-s, --scopes <scopes>', 'what else it may do, comma-separated', listed)
    .option('-e, --expires <lifetime>', 'how long it is good: 90s, 15m, 1h, 7d, or seconds; left out, for ever', lifetimeSeconds)
    .option('-c, --cidrs <networks>', 'addresses and CIDRs it may come from, comma-separated; left out, all', listed)
    .option('-l, --rate-limit <requests>', 'requests a window of its own, in place of RATE_LIMIT_MAX', wholeNumber)
}

function optionsOf ({ name, owner, role, scopes, expires, cidrs, rateLimit }: KeyArguments): KeyOptions {
  return { name, owner, role, scopes, lifetimeSeconds: expires, cidrs, rateLimitMax: rateLimit }
}

function lifetimeSeconds (text: string): number {
  try {
    return parseLifetime(text)
  } catch (error) {
    throw error instanceof RangeError ? new InvalidArgumentError(error.message) : error
  }
}

function graceSeconds (text: string): number {
  return /^0[smhd]?$/.test(text) ? 0 : lifetimeSeconds(text)
}

function wholeNumber (text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1.')
  return Number(text)
}
