/** Parses networks (CIDRs), and checks whether an address is in one of them. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** An address as four 32-bit words. IPv4 uses only the last one. */
export interface Address {
  readonly isIPv4: boolean
  readonly words: readonly number[]
}

interface Range extends Address {
  /** The significant bits of each word. */
  readonly masks: readonly number[]
}

/** An address must be in at least one of these. An empty list allows every address. */
export type Networks = readonly Range[]

/**
 * Parses an address or a CIDR. `undefined` for anything else, including octal and shortened forms, and
 * IPv4-mapped IPv6, because callers are compared as plain IPv4.
 */
export function parseNetwork (text: string): Range | undefined {
  const [host = '', bits, ...rest] = text.split('/')
  if (isIP(host) === 0 || host.includes('%') || rest.length > 0) return undefined
  const parsed = ipaddr.parse(host)
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) return undefined
  const address = addressOf(parsed)
  const longest = address.isIPv4 ? 32 : 128
  if (bits !== undefined && !(/^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= longest)) return undefined
  const masks = masksOf(128 - longest + Number(bits ?? longest))
  return { ...address, words: address.words.map((word, index) => (word & (masks[index] ?? 0)) >>> 0), masks }
}

/**
 * True if `networks` is empty or contains the address. `null` is in no network. Takes a few nanoseconds per
 * network, because the time of a refusal must not reveal whether there are networks.
 */
export function covers (networks: Networks, address: Address | null): boolean {
  if (networks.length === 0) return true
  if (address === null) return false
  const [a = 0, b = 0, c = 0, d = 0] = address.words
  return networks.some(({ isIPv4, words, masks }) => isIPv4 === address.isIPv4 &&
    ((a & (masks[0] ?? 0)) >>> 0) === words[0] && ((b & (masks[1] ?? 0)) >>> 0) === words[1] &&
    ((c & (masks[2] ?? 0)) >>> 0) === words[2] && ((d & (masks[3] ?? 0)) >>> 0) === words[3])
}

function addressOf (parsed: ReturnType<typeof ipaddr.parse>): Address {
  const bytes = parsed.toByteArray()
  const view = new DataView(new ArrayBuffer(16))
  for (const [index, byte] of bytes.entries()) view.setUint8(16 - bytes.length + index, byte)
  return { isIPv4: bytes.length === 4, words: [0, 4, 8, 12].map(offset => view.getUint32(offset)) }
}

function masksOf (bits: number): number[] {
  return [0, 32, 64, 96].map(offset => {
    const here = Math.min(32, Math.max(0, bits - offset))
    // In JavaScript, a shift by 32 does nothing.
    return here === 0 ? 0 : (0xffffffff << (32 - here)) >>> 0
  })
}

const maxRemembered = 1000

/**
 * Creates the function that parses the address of a request for `covers`: IPv4-mapped IPv6 as IPv4, without a
 * zone or a port. `null` if it is not an address.
 */
export function createAddressReader (): (address: string) => Address | null {
  // Cached, because the same callers return, and parsing takes as long as hashing their key.
  const known = new Map<string, Address>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const bare = bareAddress(text)
    if (isIP(bare) === 0) return null
    const address = addressOf(ipaddr.process(bare))
    if (known.size >= maxRemembered) known.clear()
    known.set(text, address)
    return address
  }
}

/** Removes zone and port: some proxies forward `192.0.2.1:4711` or `[2001:db8::1]:4711`. */
export function bareAddress (text: string): string {
  const portless = /^\[(.*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return portless.split('%', 1)[0] ?? ''
}
