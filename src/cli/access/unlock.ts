/** `unlock`: unlocks an address that had too many failed requests. */
import { isIP } from 'node:net'
import { Command } from 'commander'
import { commandLine } from '../../ledger/records.js'
import { createAddressKeys } from '../../limits/address-key.js'
import { OperatorError } from '../../lib/operator-error.js'
import { bareAddress } from '../../net/networks.js'
import { recordChanges } from '../state/audit.js'
import { withState } from '../state/ledger.js'
import type { Terminal } from '../terminal/terminal.js'

const help = `
A running server with the same STATE_DIR (or REDIS_URL) clears the failures of the address within a second.
The log line of a refused request has the address. An IPv6 address covers its /64 network.

  $ fastify-mcp-auth unlock 192.0.2.7`

export function unlockCommand (terminal: Terminal): Command {
  return new Command('unlock')
    .description('unlock an address that had too many failed requests')
    .argument('<address>', 'an IPv4 or IPv6 address')
    .addHelpText('after', help)
    .action(async (address: string) => {
      // Not in the argument parser: it would print a refused argument, which may be a credential.
      if (isIP(bareAddress(address)) === 0) {
        throw new OperatorError(
          'The argument must be an IPv4 or IPv6 address, such as 192.0.2.7 or 2001:db8::7.'
        )
      }
      const key = createAddressKeys()(address)
      await withState(terminal, async state => { await state.unlockAddress(key, commandLine) })
      await recordChanges(terminal, [{ kind: 'address-unlocked', about: { address: key } }])
      terminal.print(`The failures of ${key} are cleared.`)
    })
}
