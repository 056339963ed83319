/** `clients`: registers OAuth clients by hand. */
import { Command } from 'commander'
import { OperatorError } from '../../lib/operator-error.js'
import { ClientMetadataError } from '../../oauth/server/clients/client.js'
import { addClient, listClients, type RegisteredClient, removeClient } from '../../oauth/server/clients/registered.js'
import { recordChanges } from '../state/audit.js'
import { withOAuthStore } from '../state/oauth-store.js'
import { repeated } from '../terminal/parse-arguments.js'
import { minute, table } from '../terminal/table.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
For clients that neither publish a description nor register themselves, and for apps with a custom redirect
scheme. Most clients, such as claude.ai and ChatGPT, need no registration.

  $ fastify-mcp-auth clients add --name Cursor --redirect cursor://anysphere.cursor-mcp/oauth/callback
  $ fastify-mcp-auth clients list
  $ fastify-mcp-auth clients remove client-1c2f…`

interface AddArguments {
  readonly name: string
  readonly redirect: readonly string[]
  readonly id?: string
  readonly jwksUri?: string
  readonly json?: boolean
}

export function clientsCommand (terminal: Terminal): Command {
  return new Command('clients').description('register OAuth clients by hand').addHelpText('after', help)
    .addCommand(addCommand(terminal)).addCommand(listCommand(terminal)).addCommand(removeCommand(terminal))
}

function addCommand (terminal: Terminal): Command {
  return new Command('add')
    .description('register a client and print its client_id')
    .requiredOption('-n, --name <name>', 'the name that users see (required)')
    .requiredOption(
      '-r, --redirect <uri>',
      'redirect URI: https, http on loopback, or a custom scheme; can be repeated (required)',
      repeated
    )
    .option('-i, --id <id>', 'its client_id (default: a new one)')
    .option('-j, --jwks-uri <url>', 'URL of its keys; it must then authenticate with private_key_jwt')
    .option('--json', 'as JSON')
    .action(async ({ name, redirect, id, jwksUri, json = false }: AddArguments) => {
      await withOAuthStore(terminal, async ({ documents }) => {
        const client = await addClient(documents, { id, name, redirectUris: redirect, jwksUri }).catch(
          asOperatorError
        )
        const about = { client: client.id, name: client.name, redirectUris: client.redirectUris }
        await recordChanges(terminal, [{ kind: 'client-created', oauthClient: client.id, about }])
        terminal.print(
          json
            ? JSON.stringify(viewOf(client), null, 2)
            : `Client ${client.id} is registered. There is no secret: it uses PKCE.`
        )
      })
    })
}

function listCommand (terminal: Terminal): Command {
  return new Command('list').description('list the clients that were registered by hand').option('--json', 'as JSON')
    .action(async ({ json = false }: { readonly json?: boolean }) => {
      await withOAuthStore(terminal, async ({ documents }) => {
        const views = (await listClients(documents)).map(viewOf)
        const shown = views.length === 0 ? 'No client was registered by hand.' : tableOf(views)
        terminal.print(json ? JSON.stringify(views, null, 2) : shown)
      })
    })
}

function removeCommand (terminal: Terminal): Command {
  return new Command('remove').description('remove a client; revoke its grants with "grants revoke --client"')
    .argument('<id>', 'its client_id')
    .action(async (id: string) => {
      await withOAuthStore(terminal, async ({ documents }) => {
        if (!(await removeClient(documents, id))) {
          throw new OperatorError(
            'Nothing was removed: no client with this id was registered by hand. "clients list" shows ' +
              'the ids.'
          )
        }
        await recordChanges(terminal, [{ kind: 'client-revoked', oauthClient: id, about: { client: id } }])
        terminal.print('The client is removed. It can no longer sign in or get tokens.')
      })
    })
}

function viewOf ({ id, name, redirectUris, authMethods, jwksUri, createdAt }: RegisteredClient) {
  return { id, name, redirectUris, authMethods, jwksUri: jwksUri ?? null, createdAt: new Date(createdAt).toISOString() }
}

function tableOf (views: ReadonlyArray<ReturnType<typeof viewOf>>): string {
  return table([
    ['ID', 'NAME', 'REDIRECTS', 'PROOF', 'CREATED'],
    ...views.map(({ id, name, redirectUris, authMethods, createdAt }) => [
      id,
      name,
      redirectUris.join(' '),
      authMethods.join(' '),
      minute(createdAt)
    ])
  ])
}

function asOperatorError (error: unknown): never {
  throw error instanceof ClientMetadataError
    ? new OperatorError(`The client cannot be registered: ${error.message}.`)
    : error
}
