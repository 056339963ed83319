/** Checks that each address of a name accepts connections: clients that try several hide one that does not. */
import type { Finding } from '../finding.js'
import { failureAt } from '../request.js'
import type { Visit } from '../visit.js'

const mostAddresses = 8
/** This machine has no route there, such as none for IPv6, which says nothing about the server. */
const unknown = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EACCES', 'EPERM'])

/** `addresses` are those that the name of the URL resolves to. */
export async function eachAddress ({ url, patience }: Visit, addresses: readonly string[]): Promise<Finding[]> {
  if (addresses.length < 2) return []
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const tried = await Promise.all(
    addresses.slice(0, mostAddresses).map(async address => {
      return { address, code: await failureAt(address, port, patience.answerMs) }
    })
  )
  const broken = tried.filter(({ code }) => code !== undefined && !unknown.has(code))
  // If all fail, the server does not respond at all, which is reported already.
  if (broken.length === 0 || broken.length === tried.length) return []
  return [
    {
      id: 'broken-address',
      severity: 'warning',
      what: `${url.hostname} also resolves to ` + broken.map(({ address, code }) => `${address} (${code})`).join(', ') +
        ', which does not accept connections',
      why: 'Clients that try this address first are slow, or fail. Browsers and curl hide it by trying the others.',
      fix: 'remove its A or AAAA record, or let the server or proxy listen there (nginx: listen [::]:443 ssl)'
    }
  ]
}
