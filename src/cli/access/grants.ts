/** `grants`: lists and revokes the grants of OAuth clients. */
import { Command } from 'commander'
import { commandLine } from '../../ledger/records.js'
import { OperatorError } from '../../lib/operator-error.js'
import { endGrant, type GrantFilter, isGrantId, listGrants, viewOfGrant } from '../../oauth/server/grant-list.js'
import { type AuditedChange, recordChanges } from '../state/audit.js'
import { withOAuthStore } from '../state/oauth-store.js'
import { once } from '../terminal/parse-arguments.js'
import { minute, table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
A grant is the access that a user gave a client (such as claude.ai or ChatGPT) with an API key. A running
server applies a revocation within a second. The key stays valid.

  $ fastify-mcp-auth grants list
  $ fastify-mcp-auth grants revoke 3f9c…
  $ fastify-mcp-auth grants revoke --key k3vd81qmx0aa
  $ fastify-mcp-auth grants revoke --client https://claude.ai/oauth/mcp-oauth-client-metadata
  $ fastify-mcp-auth grants revoke --subject user:ada`

interface Given {
  readonly json?: boolean
  readonly key?: string
  readonly client?: string
  readonly subject?: string
}

export function grantsCommand (terminal: Terminal): Command {
  return new Command('grants').description('list and revoke the access of OAuth clients').addHelpText('after', help)
    .addCommand(listCommand(terminal)).addCommand(revokeCommand(terminal))
}

function listCommand (terminal: Terminal): Command {
  return filtered('list', 'show the clients that are signed in').action(async (given: Given) => {
    await withOAuthStore(terminal, async ({ documents, state }) => {
      const views = (await listGrants(documents, state, filterOf(given))).map(viewOfGrant)
      const shown = views.length === 0 ? 'No client is signed in.' : tableOf(views)
      terminal.print(given.json === true ? JSON.stringify(views, null, 2) : shown)
    })
  })
}

function revokeCommand (terminal: Terminal): Command {
  return filtered('revoke', 'revoke one grant by its id, or all grants of a key, a client or a caller')
    .argument('[id]', 'the id, as shown by list')
    .action(async (id: string | undefined, given: Given) => {
      // Not in the argument parser: it would print a refused argument, which may be a credential.
      if (id !== undefined && !isGrantId(id)) {
        throw new OperatorError(
          'Nothing was revoked: the argument is not a grant id. An id has 24 digits and letters from ' +
            'a to f; "grants list" shows the ids.'
        )
      }
      const filter = { id, ...filterOf(given) }
      if (Object.values(filter).every(value => value === undefined)) {
        throw new OperatorError('Pass the id of a grant, --key, --client or --subject.')
      }
      await withOAuthStore(terminal, async ({ documents, state, accessTtlMs }) => {
        const found = await listGrants(documents, state, filter)
        // A mistyped id must not look like a successful revocation.
        if (found.length === 0) {
          throw new OperatorError(
            'Nothing was revoked: no grant matches. "grants list" shows all grants.'
          )
        }
        const ended: AuditedChange[] = []
        try {
          for (const { id: tokenId, client, subject, key } of found) {
            await endGrant(documents, state, tokenId, commandLine, accessTtlMs)
            ended.push({ kind: 'grant-revoked', tokenId, oauthClient: client.id, keyId: key.keyId, about: { subject } })
          }
        } finally {
          await recordChanges(terminal, ended)
        }
        const revoked = found.map(grant => grant.id)
        terminal.print(
          given.json === true ? JSON.stringify({ revoked }, null, 2) : `Revoked: ${revoked.join(', ')}`
        )
      })
    })
}

function filtered (name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('-k, --key <id>', 'grants of this API key', once('--key'))
    .option('-c, --client <id>', 'grants of this client, by its client_id', once('--client'))
    .option('-s, --subject <principal>', 'grants of this caller, by its id as shown by whoami', once('--subject'))
    .option('--json', 'as JSON')
}

function filterOf ({ key: keyId, client: clientId, subject }: Given): GrantFilter {
  return { keyId, clientId, subject }
}

function tableOf (views: ReadonlyArray<ReturnType<typeof viewOfGrant>>): string {
  const rows = views.map(({ id, clientName, client, subject, keyId, role, scopes, signedInAt, usedAt }) =>
    [id, clientName, client, subject, keyId, role, scopes.join(' ') || '-', minute(signedInAt), minute(usedAt)])
  return table([['ID', 'APP', 'CLIENT', 'CALLER', 'KEY', 'ROLE', 'SCOPES', 'SIGNED IN', 'LAST USED'], ...rows])
}
