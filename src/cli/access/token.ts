/** `token`: creates a token and prints only the token, so that the output can be piped. */
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { loadConfig } from '../../config/load.js'
import { identityOf } from '../../net/public-url.js'
import type { OwnRole } from '../../principal/principal.js'
import { parseLifetime } from '../../tokens/lifetime.js'
import { mintToken } from '../../tokens/mint.js'
import { commandLine } from '../../ledger/records.js'
import { listed } from '../terminal/parse-arguments.js'
import { OperatorError } from '../../lib/operator-error.js'
import { recordChanges } from '../state/audit.js'
import { recordMinted } from '../state/ledger.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
The token is signed with JWT_SECRET and lives at most TOKEN_MAX_TTL. It is a credential: keep it out of
shared logs and chats. If STATE_DIR is set or exists, or if JWT_SECRET comes from .env, the creation is
recorded in STATE_DIR without the token itself; "tokens list" shows the records. A token without a record is
valid, too.

  $ fastify-mcp-auth token --user ada
  $ fastify-mcp-auth token --user ada --role admin --expires 1h
  $ fastify-mcp-auth token --user ada --scopes files:read,files:write
  $ curl -H "Authorization: Bearer $(fastify-mcp-auth token --user ada)" …`

interface TokenArguments { user: string, role: OwnRole, expires: string, scopes?: readonly string[] }

export function tokenCommand (terminal: Terminal): Command {
  const { env, directory, show, complain } = terminal
  return new Command('token')
    .description('create a JWT and print it')
    .requiredOption('-u, --user <id>', 'the user id (sub)')
    .addOption(new Option('-r, --role <role>', 'the role').choices(['user', 'admin']).default('user'))
    .option('-s, --scopes <scopes>', 'comma-separated scopes', listed)
    .option('-e, --expires <lifetime>', 'lifetime such as 90s, 15m, 1h, 7d, or seconds', '24h')
    .addHelpText('after', help)
    .action(async ({ user, role, expires, scopes = [] }: TokenArguments) => {
      const { config, warnings } = loadConfig({ env, dotenv: join(directory, '.env') })
      const { JWT_SECRET: secret, TOKEN_MAX_TTL: maxSeconds, PUBLIC_URL, JWT_ISSUER } = config
      if (secret === undefined) {
        throw new OperatorError(
          'JWT_SECRET is not set, so the token cannot be signed: set it, or run "fastify-mcp-auth init"'
        )
      }
      if (lifetimeOf(expires) > maxSeconds) {
        throw new OperatorError(`--expires is longer than TOKEN_MAX_TTL allows (${maxSeconds} seconds)`)
      }
      const { token, id, expiresAt } = orOperatorError(() =>
        mintToken(user, role, expires, { secret, scopes, ...identityOf(PUBLIC_URL, JWT_ISSUER) })
      )
      await recordMinted(terminal, {
        kind: 'minted',
        id,
        subject: user,
        role,
        scopes,
        at: Date.now(),
        expiresAt,
        by: commandLine
      })
      const about = { jti: id, subject: user, role, scopes, expiresAt: new Date(expiresAt).toISOString() }
      await recordChanges(terminal, [{ kind: 'token-minted', tokenId: id, about }])
      for (const warning of warnings) complain(`Warning: ${warning}`)
      if (!await show(token)) {
        throw new OperatorError(`The token could not be shown. It is lost; to revoke it, use its id ${id}`)
      }
    })
}

function lifetimeOf (expires: string): number {
  return orOperatorError(() => parseLifetime(expires), '--expires: ')
}

/** Converts a `RangeError` about an argument into a message for the operator. Other errors are bugs. */
function orOperatorError<T> (make: () => T, prefix = ''): T {
  try {
    return make()
  } catch (error) {
    throw error instanceof RangeError ? new OperatorError(prefix + error.message) : error
  }
}
