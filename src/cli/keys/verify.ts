/** `keys verify`: checks a key by the rules of the server. */
import { Command } from 'commander'
import { sha256 } from '../../lib/sha256.js'
import { createKeyJudge } from '../../api-keys/listed-keys.js'
import { isVerified } from '../../principal/presented.js'
import { isUnmanaged, keysFromAnywhere, ManagedKeys } from '../../api-keys/ring.js'
import { defaultFile, type FileArguments, KeyDesk } from './desk.js'
import { OperatorError } from '../../lib/operator-error.js'
import { address, subcommand } from './options.js'

export function verifyCommand (desk: KeyDesk, fail: () => void): Command {
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
      // The same function as in the server: a configured key file takes precedence over API_KEYS.
      const byServer = createKeyJudge(
        given.file === undefined ? desk.configuredKeys() : [],
        isDefault ? undefined : ring
      )?.(asked)
      const judged = byServer !== undefined && (isVerified(byServer) || !isDefault) ? byServer : byFile
      if (isDefault && !isUnmanaged(byFile)) {
        desk.remark(
          `This key is in ${path}, which the server does not use until API_KEYS_FILE=${defaultFile} is set.`
        )
      }
      const verdict =
        'principal' in judged && isRevoked(judged.principal)
          ? { reason: 'the API key was revoked with "tokens"' }
          : judged
      if ('principal' in verdict) {
        const { keyId: id = '', id: owner, role, scopes } = verdict.principal
        return desk.answer(
          `Valid: key ${id} of ${owner}, role ${role}`,
          { good: true, id, owner, role, scopes },
          given
        )
      }
      fail()
      desk.answer(`Not valid: ${verdict.reason}`, { good: false, reason: verdict.reason }, given)
    })
}
