/** Distinguishes public internet addresses from those that only this machine or its network can reach. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * False for loopback, private, link-local (cloud metadata), carrier-grade NAT, multicast, reserved and
 * transition ranges (IANA special-purpose registries) in IPv4, IPv6 and IPv4-mapped IPv6, and for text that
 * is not an address.
 */
export function isPublicAddress (address: string): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  // The library reports everything else as "unicast", such as the deprecated IPv4-compatible `::7f00:1`.
  return parsed.kind() === 'ipv4' || ((parsed.toByteArray()[0] ?? 0) & 0xe0) === 0x20
}
