/** Tells addresses of the public internet from those that only this machine or its network can reach. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * False for loopback, private, link-local (cloud metadata), carrier-grade NAT, multicast, reserved and transition
 * ranges, in IPv4, IPv6 and IPv4 inside IPv6, and for what is no address at all (IANA special-purpose registries).
 */
export function isPublicAddress (address: string): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  // The library calls all that is not special "unicast", such as the former IPv4-compatible `::7f00:1`.
  return parsed.kind() === 'ipv4' || ((parsed.toByteArray()[0] ?? 0) & 0xe0) === 0x20
}
