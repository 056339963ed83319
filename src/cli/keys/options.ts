/** The options of the `keys` commands and their parsers. */
import { isIP } from 'node:net'
import { Command, InvalidArgumentError } from 'commander'
import type { KeyOptions } from '../../api-keys/changes.js'
import { bareAddress } from '../../net/networks.js'
import { isMetadataName } from '../../api-keys/record.js'
import { isRole, type Role, roleForm } from '../../principal/principal.js'
import { parseLifetime } from '../../tokens/lifetime.js'
import { listed } from '../terminal/parse-arguments.js'
import { defaultFile, type FileArguments } from './desk.js'

export interface KeyArguments extends FileArguments {
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

export function subcommand (name: string, description: string): Command {
  return fileOptions(new Command(name), description)
}

export function fileOptions (command: Command, description: string): Command {
  return command
    .description(description)
    .option('-f, --file <path>', `the key file (default: API_KEYS_FILE, or ${defaultFile})`)
    .option('--json', 'as JSON')
}

export function keyOptions (command: Command): Command {
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

export function optionsOf (given: KeyArguments): KeyOptions {
  const { name, owner, role, scopes, expires, cidrs, rateLimit, meta, oauth } = given
  return { name, owner, role, scopes, lifetimeSeconds: expires, cidrs, rateLimitMax: rateLimit, metadata: meta, oauth }
}

function roleName (text: string): Role {
  if (!isRole(text)) throw new InvalidArgumentError(`A role ${roleForm}.`)
  return text
}

/** Parses `name=value`. A repeated option adds a field; a repeated name is an error. */
function metaField (text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? []
  if (!isMetadataName(name) || value === '') {
    throw new InvalidArgumentError(
      'Write it as name=value, such as tenant=acme; a name is letters, digits or . _ -'
    )
  }
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError('Use each name only once.')
  return { ...before, [name]: value }
}

function lifetimeSeconds (text: string): number {
  try {
    return parseLifetime(text)
  } catch (error) {
    throw error instanceof RangeError ? new InvalidArgumentError(error.message) : error
  }
}

function wholeNumber (text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number of at least 1.')
  return Number(text)
}

export function graceSeconds (text: string): number {
  if (/^0[smhd]?$/.test(text)) return 0
  try {
    return parseLifetime(text)
  } catch {
    throw new InvalidArgumentError(
      'It must be 0, digits with s, m, h or d, or plain seconds, such as 90s, 1h, 7d, ' +
        '3600; at most 3650d'
    )
  }
}

export function address (text: string): string {
  if (isIP(bareAddress(text)) === 0) {
    throw new InvalidArgumentError('It must be an address, such as 192.0.2.7 or 2001:db8::7.')
  }
  return text
}
