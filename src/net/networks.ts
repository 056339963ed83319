/** Networks that a key is held to: CIDRs, and whether an address is inside. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** An address as four 32-bit words, IPv4 in the last one of them. */
export interface Address {
  readonly isIPv4: boolean
  readonly words: readonly number[]
}

interface Range extends Address {
  /** The bits of each word that count. */
  readonly masks: readonly number[]
}

/** What an address must be in: at least one of them. None at all admits every address. */
export type Networks = readonly Range[]

/**
 * One network from an address or a CIDR. `undefined` for anything else, for octal and shortened
 * forms, and for IPv4 inside IPv6, which every caller is compared without.
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
 * True where `networks` is empty or holds the address; what is no address is in none. A few
 * nanoseconds a network: the time of a refusal must not tell that there are any.
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
    // Shifting by 32 shifts by nothing.
    return here === 0 ? 0 : (0xffffffff << (32 - here)) >>> 0
  })
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
    const address = addressOf(ipaddr.process(bare))
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
