/** Converts addresses to keys for the limits. */
import { isIP, isIPv4 } from 'node:net'
import { normalizeIP } from '@fastify/rate-limit'
import { bareAddress } from '../net/networks.js'

/** Callers with an invalid address share one bucket, so that made-up addresses do not get new buckets. */
const unknownAddress = 'unknown'
const ipv6Subnet = 64
const maxRemembered = 10_000

/**
 * Creates the function that converts `request.ip` to a key: IPv4 as it is, IPv4-mapped IPv6 as IPv4, and IPv6
 * as its /64 (the smallest network that a customer gets), without a zone or a port.
 */
export function createAddressKeys (): (ip: string | undefined) => string {
  // Cached, because parsing an address costs as much as the whole limiter.
  const known = new Map<string, string>()
  return (ip) => {
    if (ip === undefined) return unknownAddress
    const before = known.get(ip)
    if (before !== undefined) return before
    const key = isIPv4(ip) ? ip : addressKey(ip)
    if (known.size >= maxRemembered) known.clear()
    if (key !== unknownAddress) known.set(ip, key)
    return key
  }
}

function addressKey (ip: string): string {
  // Some proxies forward the port as well. Each port would be a new caller.
  const host = bareAddress(ip)
  return isIP(host) === 0 ? unknownAddress : normalizeIP(host, ipv6Subnet)
}
