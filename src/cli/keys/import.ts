/** `keys import`: takes over keys that are in use. */
import { Command } from 'commander'
import { addRecords, importKeys } from '../../api-keys/changes.js'
import { defaultFile, KeyDesk } from './desk.js'
import { OperatorError } from '../../lib/operator-error.js'
import { type KeyArguments, keyOptions, optionsOf, subcommand } from './options.js'
import { requireLiving, requireUnrevoked } from './revoked.js'

export function importCommand (desk: KeyDesk): Command {
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

/** Not at spaces: a key that holds one would become several, each of them wrong. */
function listedKeys (text: string): readonly string[] {
  return text.split(/[\r\n,]/).map(key => key.trim()).filter(key => key !== '')
}
