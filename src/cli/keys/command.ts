/** `keys`: creates, shows, rotates and revokes managed keys, with or without a running server. */
import { Command, Option } from 'commander'
import { createKey, find, KeyChangeError, revokeKey, rotateKey, setDisabled } from '../../api-keys/changes.js'
import { defaultFile, type FileArguments, KeyDesk } from './desk.js'
import { credentialOf } from './views.js'
import type { Terminal } from '../terminal/terminal.js'
import { importCommand } from './import.js'
import { fileOptions, graceSeconds, type KeyArguments, keyOptions, optionsOf, subcommand } from './options.js'
import { requireLiving } from './revoked.js'
import { verifyCommand } from './verify.js'

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

/** Calls `fail` if `verify` finds that a key is not valid. */
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
  for (const child of commands) command.addCommand(child)
  return command
}

function createCommand (desk: KeyDesk): Command {
  const command = new Command('create').requiredOption('-n, --name <name>', 'its name (required)')
  return keyOptions(fileOptions(command, 'create a key and print it once'))
    .action(async (given: KeyArguments) => {
      const place = await desk.place(given)
      const { path, isDefault, isRevoked } = place
      // The key is stored before it is shown. Otherwise it could be shown and then not work.
      const shown = await desk.change(place, records => {
        const changed = createKey(records, optionsOf(given))
        requireLiving([changed.result.record], isRevoked)
        return changed
      }, { create: true })
      const { id, owner, role } = shown.record
      await desk.hand(shown, given, [
        `Key ${id} belongs to ${owner}, with the role ${role}. It is not shown again: ` +
          `${place.isShared ? path : 'the file'} stores only a digest.`,
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
        'how long the old secret still works: 0, 90s, 15m, 1h, 7d, or seconds'
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
            'This key was revoked with "tokens", so a new secret would also be refused: create another key'
          )
        }
        return changed
      })
      const end = shown.record.secrets[1]?.endsAt
      await desk.hand(shown, given, [
        `Key ${id} has a new secret, which is not shown again. ` +
          `${given.grace === 0 || end === undefined ? 'The old one is refused.' : `The old one works until ${end}.`}`,
        ...(shown.record.disabled
          ? [`The key is disabled: run "keys enable ${id}" before using it.`]
          : [])
      ])
    })
}

function changeCommand (desk: KeyDesk, name: string, description: string, change: typeof revokeKey): Command {
  return subcommand(name, description)
    .argument('<id>', 'the key id')
    .action(async (id: string, given: FileArguments) => {
      const place = await desk.place(given)
      desk.show(await desk.change(place, records => change(records, id)), place, given)
    })
}
