/** `tokens`: lists created tokens and revokes credentials, with or without a running server. */
import { Command, InvalidArgumentError } from 'commander'
import { sha256 } from '../../lib/sha256.js'
import { KeyFileError } from '../../api-keys/file.js'
import { requireId } from '../../principal/credential-forms.js'
import { keyIdPattern } from '../../api-keys/format.js'
import { principalIdOf, tokenPrincipalId } from '../../principal/principal.js'
import { mintedView } from '../../ledger/minted-view.js'
import { commandLine } from '../../ledger/records.js'
import type { Ledger } from '../../ledger/ledger.js'
import { KeyDesk } from '../keys/desk.js'
import { OperatorError } from '../../lib/operator-error.js'
import { settingsAt } from '../state/settings.js'
import { recordChanges } from '../state/audit.js'
import { withState } from '../state/ledger.js'
import { isDay } from '../terminal/parse-arguments.js'
import { minute, table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Created and revoked tokens are recorded in STATE_DIR, without the tokens themselves. A running server
applies a revocation within a second and ends the open streams of the credential.

  $ fastify-mcp-auth tokens list
  $ fastify-mcp-auth tokens revoke 1b0c4f7e-9f1f-4d5c-8f4e-2f6a3b0d9c11
  $ fastify-mcp-auth tokens revoke-subject ada
  $ fastify-mcp-auth tokens revoke-key 3f2a9c1be07d`

export function tokensCommand (terminal: Terminal): Command {
  const command = new Command('tokens').description('list and revoke tokens').addHelpText('after', help)
  for (const child of [
    listCommand(terminal),
    revokeCommand(terminal),
    revokeSubjectCommand(terminal),
    revokeKeyCommand(terminal)
  ]) { command.addCommand(child) }
  return command
}

interface Arguments { readonly json?: boolean, readonly withMinted?: boolean }

function listCommand (terminal: Terminal): Command {
  return subcommand('list', 'show the tokens that were created here and have not expired')
    .option('-s, --subject <user>', 'only tokens of this user')
    .action(async ({ json = false, subject }: Arguments & { readonly subject?: string }) => {
      await withState(terminal, async state => {
        const views = (state.list({ subject, limit: Infinity })?.tokens ?? []).map(minted => mintedView(minted, state))
        const shown = views.length === 0 ? 'There are no valid tokens on record.' : tokenTable(views)
        terminal.print(json ? JSON.stringify(views, null, 2) : shown)
      })
    })
}

function revokeCommand (terminal: Terminal): Command {
  return revoking('revoke', 'revoke a token by its id (jti)')
    .argument('<id>', 'the id (jti), as shown by list; never the token itself')
    .option('--force', 'even if it is not on record here, such as one created elsewhere')
    .action(async (id: string, given: Arguments & { readonly force?: boolean }) => {
      requireAnId(id)
      await withState(terminal, async state => {
        const onRecord = state.find(id) !== undefined
        // A mistyped id must not look like a successful revocation.
        if (!onRecord && given.force !== true) {
          throw new OperatorError(
            `Nothing was revoked: no token with the id ${id} is on record here. "tokens list" shows the ` +
              'ids. --force revokes it anyway and keeps the revocation forever.'
          )
        }
        const revoked = await state.revokeToken(id, commandLine, given.withMinted)
        const about = { jti: id, withMinted: given.withMinted === true, revoked: revoked.length }
        await recordChanges(terminal, [{ kind: 'token-revoked', tokenId: id, about }])
        const remark = onRecord ? '' : ' It is not on record here, so the revocation is kept forever.'
        answer(terminal, given, `Token ${id} is revoked.${remark}`, { id, onRecord, revoked }, revoked.length - 1)
      })
    })
}

function revokeSubjectCommand (terminal: Terminal): Command {
  return revoking('revoke-subject', 'revoke everything issued to a user')
    .argument('<user>', 'the user id (sub), or jwt:<sub> as shown by whoami')
    .option('-b, --before <time>', 'issued up to this time, such as 2026-01-31T12:00:00Z (default: now)', pastTime)
    .option('-p, --principal', 'the argument is a principal id as shown by whoami, of any kind of caller')
    .action(async (user: string, given: Arguments & { readonly before?: number, readonly principal?: boolean }) => {
      requireAnId(user)
      const principal = given.principal === true ? user : principalOf(user)
      await withState(terminal, async state => {
        const before = given.before ?? state.lastIssueTo(principal)
        const revoked = await state.revokeSubject(principal, before, commandLine, given.withMinted)
        const time = new Date(before).toISOString()
        const withMinted = given.withMinted === true
        const about = { subject: principal, before: time, withMinted, revoked: revoked.length }
        await recordChanges(terminal, [{ kind: 'subject-revoked', about }])
        const onRecord = hasTokens(state, principal, before)
        // Only tokens of this server (`jwt:`) are ever on record.
        const remark =
          onRecord || !principal.startsWith('jwt:')
            ? ''
            : ' No token on record was issued to this user by then; "tokens list" shows all.'
        answer(
          terminal,
          given,
          `Everything issued to ${principal} up to ${time} is revoked.${remark}`,
          { principal, before: time, onRecord, revoked },
          revoked.length
        )
      })
    })
}

function revokeKeyCommand (terminal: Terminal): Command {
  return revoking('revoke-key', 'revoke an API key permanently by its id, also one of API_KEYS, without a restart')
    .argument('<id>', 'the id, as shown by "keys list"; for a key of API_KEYS, the part after "apikey:" in whoami')
    .option('--force', 'even if neither the key file nor API_KEYS here contains it')
    .action(async (text: string, given: Arguments & { readonly force?: boolean }) => {
      const id = keyId(text)
      await withState(terminal, async state => {
        if (given.force !== true) await requireKey(terminal, id)
        const revoked = await state.revokeKey(id, commandLine, given.withMinted)
        const about = { withMinted: given.withMinted === true, revoked: revoked.length }
        await recordChanges(terminal, [{ kind: 'key-revoked', keyId: id, about }])
        answer(terminal, given, `Key ${id} is revoked permanently.`, { id, revoked }, revoked.length)
      })
    })
}

function subcommand (name: string, description: string): Command {
  return new Command(name).description(description).option('--json', 'as JSON')
}

function revoking (name: string, description: string): Command {
  return subcommand(name, description).option(
    '-m, --with-minted',
    'also revoke the tokens that were created with it, directly or indirectly'
  )
}

function answer (
  { print }: Terminal,
  { json = false }: Arguments,
  sentence: string,
  value: object,
  others: number
): void {
  const more = others === 1 ? '1 token that was' : `${others} tokens that were`
  const remark = others > 0 ? ` Also revoked: ${more} created with it.` : ''
  print(json ? JSON.stringify(value, null, 2) : sentence + remark)
}

function tokenTable (views: ReadonlyArray<ReturnType<typeof mintedView>>): string {
  const rows = views.map(({ id, subject, role, scopes, expiresAt, mintedBy, revoked }) => [
    id,
    subject,
    role,
    scopes.join(' ') || '-',
    minute(expiresAt),
    mintedBy,
    revoked ? 'revoked' : 'valid'
  ])
  return table([['ID', 'SUBJECT', 'ROLE', 'SCOPES', 'EXPIRES', 'CREATED BY', 'STATUS'], ...rows])
}

/** Not in the argument parser: it would print a refused argument, which may be a credential. */
function requireAnId (text: string): void {
  try {
    requireId(text)
  } catch (error) {
    throw error instanceof RangeError ? new OperatorError(`The argument is not an id: ${error.message}.`) : error
  }
}

function principalOf (user: string): string {
  try {
    return principalIdOf(user)
  } catch (error) {
    throw error instanceof RangeError
      ? new OperatorError(
          `Nothing was revoked: ${error.message}. Pass --principal to revoke what was issued to that caller.`
      )
      : error
  }
}

function hasTokens (state: Ledger, principal: string, before: number): boolean {
  return (
    state
      .list({ limit: Infinity })
      ?.tokens.some(({ subject, at }) => at <= before && tokenPrincipalId(subject) === principal) ?? false
  )
}

function keyId (text: string): string {
  const id = text.trim().replace(/^apikey:/, '')
  if (!keyIdPattern.test(id)) {
    throw new OperatorError(
      'Nothing was revoked: the argument is not a key id. An id has twelve lower-case letters and digits. ' +
        '"keys list" shows the ids of managed keys. For a key of API_KEYS, whoami shows it after "apikey:".'
    )
  }
  return id
}

/** Throws if no key has this id. A mistyped or outdated id must not look like a successful revocation. */
async function requireKey (terminal: Terminal, id: string): Promise<void> {
  const { config } = settingsAt(terminal)
  const listed = config.API_KEYS.map(sha256).find(digest => digest.startsWith(id))
  const desk = new KeyDesk(terminal)
  const place = await desk.place({})
  const { path, isDefault } = place
  // The server does not read the default file unless API_KEYS_FILE names it.
  if (listed !== undefined && isDefault) return
  try {
    const records = await desk.read(place)
    const holder = records.find(({ secrets }) => secrets.some(({ digest }) => digest === listed))
    if (holder !== undefined && holder.id !== id) {
      throw new OperatorError(
        `Nothing was revoked: this key of API_KEYS is also in the key file ${path}. The server uses its id ` +
          `from the file: revoke ${holder.id}.`
      )
    }
    if (listed !== undefined || records.some(record => record.id === id)) return
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error
    if (listed !== undefined) return
    throw unknownKey(id, `API_KEYS does not contain it, and the key file ${path} ${error.wrong}`)
  }
  throw unknownKey(id, `neither the key file ${path} nor API_KEYS contains it`)
}

function unknownKey (id: string, why: string): OperatorError {
  return new OperatorError(
    `Nothing was revoked: no key here has the id ${id}: ${why}. "keys list" shows the ids. --force ` +
      'revokes it anyway.'
  )
}

/** Requires a time zone. Without one, the result would depend on the time zone of the operator's machine. */
function pastTime (text: string): number {
  const [, day = ''] = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  const time = isDay(day) ? Date.parse(text) : NaN
  if (Number.isNaN(time)) throw new InvalidArgumentError('It must be a time with a zone, such as 2026-01-31T12:00:00Z.')
  if (time > Date.now()) {
    throw new OperatorError('--before is in the future: only credentials that were already issued can be revoked')
  }
  return time
}
