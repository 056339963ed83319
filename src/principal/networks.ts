/** Networks that a key is held to: CIDRs, and whether an address is inside. */
import { isIP, isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ReturnType<typeof ipaddr.parse>
type Range = ReturnType<typeof ipaddr.parseCIDR>

/** What an address must be in: at least one of them. None at all admits every address. */
export type Networks = readonly Range[]

/**
 * One network from an address or a CIDR. `undefined` for anything else, for octal and shortened
 * forms, and for IPv4 inside IPv6, which every caller is compared without.
 */
export function parseNetwork (text: string): Range | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  if (isIP(address) === 0 || address.includes('%') || rest.length > 0) return undefined
  const longest = isIPv4(address) ? 32 : 128
  if (bits !== undefined && !(/^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= longest)) return undefined
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) return undefined
  return [parsed, bits === undefined ? longest : Number(bits)] as Range
}

/** True where `networks` is empty or holds the address; what is no address is in none. */
export function covers (networks: Networks, address: Address | null): boolean {
  if (networks.length === 0) return true
  return address !== null && networks.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits))
}

const maxRemembered = 1000

/**
 * Makes the function from the address of a request to what `covers` takes: IPv4 inside IPv6 as
 * IPv4, without a zone or a proxy's port; `null` for what is none.
 */
export function createAddressReader (): (address: string) => Address | null {
  // The same callers come again and again, and parsing takes as long as hashing their key.
  const known = new Map<string, Address>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const bare = bareAddress(text)
    if (isIP(bare) === 0) return null
    const address = ipaddr.process(bare)
    if (known.size >= maxRemembered) known.clear()
    known.set(text, address)
    return address
  }
}

/** Without zone and port: some proxies forward `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
export function bareAddress (text: string): string {
  const portless = /^\[(.*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return portless.split('%', 1)[0] ?? ''
}
