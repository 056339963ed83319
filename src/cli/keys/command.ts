/** `keys`: creates, shows, rotates and revokes managed keys, with or without a running server. */
import { isIP } from 'node:net'
import { Command, InvalidArgumentError, Option } from 'commander'
import { sha256 } from '../../lib/sha256.js'
import { createKeyJudge, listedKeyId } from '../../api-keys/listed-keys.js'
import { isVerified } from '../../principal/presented.js'
import {
  addRecords,
  createKey,
  find,
  importKeys,
  KeyChangeError,
  type KeyOptions,
  revokeKey,
  rotateKey,
  setDisabled
} from '../../api-keys/changes.js'
import type { KeyRecord } from '../../api-keys/record.js'
import { isUnmanaged, keysFromAnywhere, ManagedKeys } from '../../api-keys/ring.js'
import { keyIdOf } from '../../api-keys/format.js'
import { bareAddress } from '../../net/networks.js'
import { isMetadataName } from '../../api-keys/record.js'
import { isRole, type Role, roleForm } from '../../principal/principal.js'
import { parseLifetime } from '../../tokens/lifetime.js'
import { listed } from '../terminal/parse-arguments.js'
import { defaultFile, type FileArguments, KeyDesk, type KeyFilePlace } from './desk.js'
import { credentialOf } from './views.js'
import { OperatorError } from '../../lib/operator-error.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Keys are stored as digests in API_KEYS_FILE (default: ${defaultFile}). A key is shown once, when it is
created. A running server applies changes within a second.

  $ fastify-mcp-auth keys create --name laptop
  $ fastify-mcp-auth keys create --name ci --owner ada --scopes files:read --expires 90d --cidrs 10.0.0.0/8
  $ fastify-mcp-auth keys list
  $ fastify-mcp-auth keys rotate k3vd81qmx0aa --grace 2h
  $ fastify-mcp-auth keys revoke k3vd81qmx0aa
  $ fastify-mcp-auth keys import --name old --configured
  $ printenv MCP_KEY | fastify-mcp-auth keys verify

With npm, use --silent if the output goes to a file or a program:

  $ npm run --silent keys -- create --name laptop --json`

/** `fail` is called where `verify` finds that a key is not good. */
export function keysCommand (terminal: Terminal, fail: () => void): Command {
  const desk = new KeyDesk(terminal)
  const command = new Command('keys').description('manage API keys').addHelpText('after', help)
  const commands = [
    createCommand(desk),
    listCommand(desk),
    showCommand(desk),
    rotateCommand(desk),
    changeCommand(desk, 'revoke', 'revoke a key permanently', revokeKey),
    changeCommand(desk, 'disable', 'refuse a key until it is enabled', (records, id) =>
      setDisabled(records, id, true)
    ),
    changeCommand(desk, 'enable', 'accept a disabled key again', (records, id) =>
      setDisabled(records, id, false)
    ),
    importCommand(desk),
    verifyCommand(desk, fail)
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
  readonly meta?: Readonly<Record<string, string>>
  readonly oauth?: boolean
}

function createCommand (desk: KeyDesk): Command {
  const command = new Command('create').requiredOption('-n, --name <name>', 'its name (required)')
  return keyOptions(fileOptions(command, 'create a key and print it once'))
    .action(async (given: KeyArguments) => {
      const place = await desk.place(given)
      const { path, isDefault, isRevoked } = place
      // Not shown before it is on the disk: a key that nobody knows is no key.
      const shown = await desk.change(place, records => {
        const changed = createKey(records, optionsOf(given))
        requireLiving([changed.result.record], isRevoked)
        return changed
      }, { create: true })
      const { id, owner, role } = shown.record
      await desk.hand(shown, given, [
        `Key ${id} is for ${owner}, role ${role}. It is shown this once; ` +
          `${place.isShared ? path : 'the file'} keeps a digest.`,
        ...(isDefault ? [`It is in ${path}. The server accepts it with API_KEYS_FILE=${defaultFile}.`] : [])
      ])
    })
}

function listCommand (desk: KeyDesk): Command {
  return subcommand('list', 'show all keys').action(async (given: FileArguments) => {
    const place = await desk.place(given)
    desk.list(await desk.read(place), place, given)
  })
}

function showCommand (desk: KeyDesk): Command {
  return subcommand('show', 'show one key')
    .argument('<id>', 'the key id')
    .action(async (id: string, given: FileArguments) => {
      const place = await desk.place(given)
      desk.show(find(await desk.read(place), id), place, given)
    })
}

function rotateCommand (desk: KeyDesk): Command {
  return subcommand('rotate', 'give a key a new secret and print it once')
    .argument('<id>', 'the key id')
    .addOption(
      new Option(
        '-g, --grace <lifetime>',
        'how long the old secret works still: 0, 90s, 15m, 1h, 7d, or seconds'
      )
        .argParser(graceSeconds)
        .default(86_400, '24h')
    )
    .action(async (id: string, given: FileArguments & { readonly grace: number }) => {
      const place = await desk.place(given)
      const shown = await desk.change(place, records => {
        const changed = rotateKey(records, id, given.grace)
        if (place.isRevoked(credentialOf(changed.result.record))) {
          throw new KeyChangeError(
            'That key was revoked with "tokens", and another secret of it would be refused, too: create another key'
          )
        }
        return changed
      })
      const end = shown.record.secrets[1]?.endsAt
      await desk.hand(shown, given, [
        `Key ${id} has another secret, which is shown this once. ` +
          `${given.grace === 0 || end === undefined ? 'The old one is refused.' : `The old one works until ${end}.`}`,
        ...(shown.record.disabled
          ? [`The key is disabled: no secret of it works before "keys enable ${id}".`]
          : [])
      ])
    })
}

function changeCommand (desk: KeyDesk, name: string, description: string, change: typeof revokeKey): Command {
  return subcommand(name, description).argument('<id>', 'key id').action(async (id: string, given: FileArguments) => {
    const place = await desk.place(given)
    desk.show(await desk.change(place, records => change(records, id)), place, given)
  })
}

function importCommand (desk: KeyDesk): Command {
  return keyOptions(subcommand('import', 'import existing keys from standard input'))
    .option('-n, --name <name>', 'their name', 'imported')
    .option('--from-file <path>', 'the keys of a key file, unchanged, instead of standard input')
    .option('--configured', 'the keys of API_KEYS (environment or .env), instead of standard input')
    .addHelpText(
      'after',
      '\nOne key a line, or comma-separated as in API_KEYS. Their callers stay who they are, unless ' +
        '--owner\nnames another. Take them out of API_KEYS afterwards.'
    )
    .action(async (given: KeyArguments & { readonly configured?: boolean; readonly fromFile?: string }) => {
      const place = await desk.place(given)
      if (given.fromFile !== undefined) {
        const taken = await desk.read(await desk.place({ file: given.fromFile }))
        const added = await desk.change(place, records => addRecords(records, taken), { create: true })
        desk.list(added, place, given)
        return
      }
      const keys = given.configured === true ? desk.configuredKeys() : listedKeys(await desk.secret())
      if (keys.length === 0) {
        throw new OperatorError(
          given.configured === true
            ? 'There is no key to import: API_KEYS is not set'
            : 'There is no key to import on standard input; --configured takes those of API_KEYS, also ' +
              'where they are in .env'
        )
      }
      const signing = desk.signingSecrets()
      if (keys.some(key => signing.includes(key))) {
        throw new OperatorError(
          'A key to import is a secret that the server signs with (JWT_SECRET, JWT_SECRET_PREVIOUS or ' +
            'REQUEST_STATE_KEY), and nothing was imported: use different secrets'
        )
      }
      desk.list(
        await desk.change(
          place,
          records => {
            const changed = importKeys(records, keys, optionsOf(given))
            requireUnrevoked(keys, place)
            requireLiving(changed.result, place.isRevoked)
            return changed
          },
          { create: true }
        ),
        place,
        given
      )
      if (given.configured === true) {
        desk.remark(
          `Take them out of API_KEYS${place.isDefault ? ` and set API_KEYS_FILE=${defaultFile}` : ''}: ` +
            'there they are good whenever the server does not use the key file, also one that is revoked in it.'
        )
      }
    })
}

/** A revocation may reach beyond now: by `JWT_CLOCK_TOLERANCE`, or where the clock was ahead. */
function requireLiving (records: readonly KeyRecord[], isRevoked: KeyFilePlace['isRevoked']): void {
  const dead = records.find(record => isRevoked(credentialOf(record)))
  if (dead !== undefined) {
    throw new KeyChangeError(
      `What ${dead.owner} is given now is still revoked with "tokens", so the key would be refused, and ` +
        'none was made: try again in a while (JWT_CLOCK_TOLERANCE, and a clock that was ahead, make it ' +
          'longer), or name another owner'
    )
  }
}

/**
 * As the server judges them before they are in the file, without a time of issue: that of the import would
 * be after every revocation.
 */
function requireUnrevoked (keys: readonly string[], { isRevoked }: KeyFilePlace): void {
  for (const key of keys) {
    const ids = [listedKeyId(sha256(key)), keyIdOf(key)].filter(id => id !== undefined)
    const revoked = ids.find(keyId => isRevoked({ id: `apikey:${keyId}`, keyId }))
    if (revoked !== undefined) {
      throw new KeyChangeError(
        `The key ${revoked} was revoked with "tokens", and nothing was imported: create another key`
      )
    }
  }
}

function verifyCommand (desk: KeyDesk, fail: () => void): Command {
  return subcommand('verify', 'check whether a key is valid; exits with 1 if not')
    .option(
      '-a, --address <address>',
      'also check that the key can be used from this address',
      address
    )
    .addHelpText(
      'after',
      '\nReads the key from standard input, or prompts for it. Never pass a key as an argument.\n\n  $ printenv ' +
        'MCP_KEY | fastify-mcp-auth keys verify'
    )
    .action(async (given: FileArguments & { readonly address?: string }) => {
      const place = await desk.place(given)
      const { path, isRevoked, isDefault } = place
      const records = await desk.read(place, { mayBeMissing: isDefault })
      const key = (await desk.secret()).trim()
      if (key === '') throw new OperatorError('There is no key on standard input')
      const { address = '' } = given
      const asked = { key, digest: sha256(key), address }
      const ring = given.address === undefined ? keysFromAnywhere(records) : new ManagedKeys(records)
      const byFile = ring.verify(asked, address)
      // The server's own judge: the file has the last word, where somebody named it.
      const byServer = createKeyJudge(
        given.file === undefined ? desk.configuredKeys() : [],
        isDefault ? undefined : ring
      )?.(asked)
      const judged = byServer !== undefined && (isVerified(byServer) || !isDefault) ? byServer : byFile
      if (isDefault && !isUnmanaged(byFile)) {
        desk.remark(
          `That key is in ${path}, which the server does not use until API_KEYS_FILE=${defaultFile} is set.`
        )
      }
      const verdict =
        'principal' in judged && isRevoked(judged.principal)
          ? { reason: 'the API key was revoked with "tokens"' }
          : judged
      if ('principal' in verdict) {
        const { keyId: id = '', id: owner, role, scopes } = verdict.principal
        return desk.answer(
          `Good: key ${id} of ${owner}, role ${role}`,
          { good: true, id, owner, role, scopes },
          given
        )
      }
      fail()
      desk.answer(`Not good: ${verdict.reason}`, { good: false, reason: verdict.reason }, given)
    })
}

function subcommand (name: string, description: string): Command {
  return fileOptions(new Command(name), description)
}

function fileOptions (command: Command, description: string): Command {
  return command
    .description(description)
    .option('-f, --file <path>', `the key file (default: API_KEYS_FILE, or ${defaultFile})`)
    .option('--json', 'as JSON')
}

function keyOptions (command: Command): Command {
  return command
    .option(
      '-o, --owner <owner>',
      'the owner; all keys of an owner are one caller (default: the key is its own caller)'
    )
    .option(
      '-r, --role <role>',
      'the role: user, admin, or a role that the access rules of your tools use',
      roleName,
      'user'
    )
    .option('-s, --scopes <scopes>', 'comma-separated scopes', listed)
    .option(
      '-e, --expires <lifetime>',
      'lifetime: 90s, 15m, 1h, 7d, or seconds (default: no expiry)',
      lifetimeSeconds
    )
    .option(
      '-c, --cidrs <networks>',
      'comma-separated addresses and CIDRs that it can be used from (default: all)',
      listed
    )
    .option(
      '-m, --meta <name=value>',
      'an entry of principal.attributes, such as tenant=acme; can be repeated',
      metaField
    )
    .option(
      '-l, --rate-limit <requests>',
      'requests per window for this key, instead of RATE_LIMIT_MAX',
      wholeNumber
    )
    .option(
      '--oauth',
      'allow signing in OAuth clients, even if --cidrs is set: their calls come from other networks'
    )
    .option('--no-oauth', 'do not allow signing in OAuth clients')
}

function optionsOf ({ name, owner, role, scopes, expires, cidrs, rateLimit, meta, oauth }: KeyArguments): KeyOptions {
  return { name, owner, role, scopes, lifetimeSeconds: expires, cidrs, rateLimitMax: rateLimit, metadata: meta, oauth }
}

function roleName (text: string): Role {
  if (!isRole(text)) throw new InvalidArgumentError(`A role ${roleForm}.`)
  return text
}

/** `name=value`; an option that is given again adds to the fields, and the same name twice is an error. */
function metaField (text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
  if (!isMetadataName(name) || value === '') {
    throw new InvalidArgumentError(
      'Write it as name=value, such as tenant=acme; a name is letters, digits or . _ -'
    )
  }
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError('A name is given twice.')
  return { ...before, [name]: value }
}

function lifetimeSeconds (text: string): number {
  try {
    return parseLifetime(text)
  } catch (error) {
    throw error instanceof RangeError ? new InvalidArgumentError(error.message) : error
  }
}

function graceSeconds (text: string): number {
  if (/^0[smhd]?$/.test(text)) return 0
  try {
    return parseLifetime(text)
  } catch {
    throw new InvalidArgumentError(
      'A grace is 0, or a lifetime of digits with s, m, h or d, or plain seconds, such as 90s, 1h, 7d, ' +
        '3600; at most 3650d'
    )
  }
}

function address (text: string): string {
  if (isIP(bareAddress(text)) === 0) {
    throw new InvalidArgumentError('It is an address, such as 192.0.2.7 or 2001:db8::7.')
  }
  return text
}

/** Not at spaces: a key that holds one would become several, each of them wrong. */
function listedKeys (text: string): readonly string[] {
  return text.split(/[\r\n,]/).map(key => key.trim()).filter(key => key !== '')
}

function wholeNumber (text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1.')
  return Number(text)
}
