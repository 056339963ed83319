/** The name under which an address is counted. */
import { isIP, isIPv4 } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import { bareAddress } from '../net/networks.js'

/** Callers without a readable address share one bucket, so that garbage does not get fresh ones. */
const unknownAddress = 'unknown'
const ipv6Subnet = 64
const maxRemembered = 10_000

/**
 * Makes the function from `request.ip` to a bucket's key: IPv4 as it is, IPv4-mapped forms as
 * IPv4, IPv6 by its /64 (one customer's smallest network), without a zone or a proxy's port.
 */
export function createAddressKeys (): (ip: string | undefined) => string {
  // Parsing an IPv6 address costs more than the whole limiter, and a dual-stack socket names
  // every IPv4 caller in IPv6.
  const known = new Map<string, string>()
  return (ip) => {
    if (ip === undefined) return unknownAddress
    if (isIPv4(ip)) return ip
    const before = known.get(ip)
    if (before !== undefined) return before
    const key = addressKey(ip)
    if (known.size >= maxRemembered) known.clear()
    if (key !== unknownAddress) known.set(ip, key)
    return key
  }
}

function addressKey (ip: string): string {
  // Each port that a proxy forwards would be a new caller.
  const host = bareAddress(ip)
  return isIP(host) === 0 ? unknownAddress : normalizeIP(host, ipv6Subnet)
}
