/** `keys import`: turns existing keys into managed keys. */
import { Command } from 'commander'
import { addRecords, importKeys } from '../../api-keys/changes.js'
import { defaultFile, KeyDesk } from './desk.js'
import { OperatorError } from '../../lib/operator-error.js'
import { type KeyArguments, keyOptions, optionsOf, subcommand } from './options.js'
import { requireLiving, requireUnrevoked } from './revoked.js'

export function importCommand (desk: KeyDesk): Command {
  return keyOptions(subcommand('import', 'import existing keys from standard input'))
    .option('-n, --name <name>', 'the name of the keys', 'imported')
    .option('--from-file <path>', 'import the keys of a key file, unchanged, instead of standard input')
    .option('--configured', 'import the keys of API_KEYS (environment or .env) instead of standard input')
    .addHelpText(
      'after',
      '\nOne key per line, or comma-separated as in API_KEYS. Callers keep their ids, unless ' +
        '--owner\nis given. Remove the keys from API_KEYS afterwards.'
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
            ? 'There are no keys to import: API_KEYS is not set'
            : 'There are no keys to import on standard input; --configured imports those of API_KEYS, also ' +
              'from .env'
        )
      }
      const signing = desk.signingSecrets()
      if (keys.some(key => signing.includes(key))) {
        throw new OperatorError(
          'One of the keys is also a signing secret of the server (JWT_SECRET, JWT_SECRET_PREVIOUS, ' +
            'REQUEST_STATE_KEY or AUDIT_KEY). Nothing was imported: use different secrets'
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
          `Remove them from API_KEYS${place.isDefault ? ` and set API_KEYS_FILE=${defaultFile}` : ''}. ` +
            'Otherwise they are valid whenever the server does not use the key file, even if they are ' +
            'revoked in it.'
        )
      }
    })
}

/** Does not split at spaces: a key that contains one would become several wrong keys. */
function listedKeys (text: string): readonly string[] {
  return text.split(/[\r\n,]/).map(key => key.trim()).filter(key => key !== '')
}
