/** `card`: prints the documents that directories and clients read before they connect. */
import { Command, Option } from 'commander'
import type { Cards } from '../../cards/cards.js'
import { ConfigError, endpointOf } from '../../config/load.js'
import { infoOf } from '../../settings/server-info.js'
import { settingsAt } from '../state/settings.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
Uses SERVER_NAME, SERVER_TITLE, SERVER_DESCRIPTION, SERVER_VERSION and PUBLIC_URL. "server.json" is for the
MCP registry. SERVER_CARD=on serves the other two.

  $ fastify-mcp-auth card
  $ fastify-mcp-auth card --only server.json > server.json`

const documents = ['server.json', 'server-card', 'ai-catalog'] as const satisfies ReadonlyArray<keyof Cards>

export function cardCommand (terminal: Terminal): Command {
  return new Command('card')
    .description('print server.json and the server card for these settings')
    .addOption(new Option('--only <document>', 'one of them').choices(documents))
    .addHelpText('after', help)
    .action(async ({ only }: { only?: keyof Cards }) => {
      const { config, problems } = settingsAt(terminal)
      if (problems.length > 0) throw new ConfigError(problems)
      const { API_KEYS, API_KEYS_FILE, API_KEYS_IN, JWT_SECRET, OAUTH_SERVER, PUBLIC_URL } = config
      const isSignedIn = [config.JWT_ISSUER, config.JWT_ISSUERS_FILE].some(value => value !== undefined)
      if (PUBLIC_URL === undefined) {
        terminal.complain('Warning: PUBLIC_URL is not set, so the URL is that of HOST and PORT.')
      }
      if (config.SERVER_NAME?.includes('/') !== true) {
        terminal.complain('Warning: SERVER_NAME has no domain, so the name starts with the host of the URL.')
      }
      const { cardsOf } = await import('../../cards/cards.js')
      const cards = cardsOf({
        url: endpointOf(config),
        info: infoOf(config),
        eras: config.MCP_ERAS,
        accepted: {
          apiKeys: API_KEYS.length > 0 || API_KEYS_FILE !== undefined || API_KEYS_IN === 'redis',
          tokens: JWT_SECRET !== undefined,
          oauth: PUBLIC_URL !== undefined && (OAUTH_SERVER === 'on' || isSignedIn)
        }
      })
      terminal.print(JSON.stringify(only === undefined ? cards : cards[only], null, 2))
    })
}
