/** Questions about the tokens on record: a page of them, and who minted which. */
import { tokenPrincipalId } from '../principal/principal.js'
import type { Revocable } from './index-in-memory.js'
import type { Author, Minted } from './records.js'

export interface TokenFilter {
  readonly subject?: string | undefined
  /** Default 100. */
  readonly limit?: number | undefined
  /** The id of the last token of the page before. */
  readonly after?: string | undefined
}

export interface TokenPage {
  readonly tokens: readonly Minted[]
  /** Where the next page begins; left out on the last one. */
  readonly next?: string
}

/** Those that have not expired, the oldest first. `undefined` where there is no token `after`. */
export function pageOf (
  minted: ReadonlyMap<string, Minted>,
  { subject, limit = 100, after }: TokenFilter
): TokenPage | undefined {
  const now = Date.now()
  const all = [...minted.values()].sort((one, other) => one.at - other.at)
  const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && start === 0) return undefined
  const rest = all
    .slice(start)
    .filter(one => one.expiresAt > now && (subject === undefined || one.subject === subject))
  const tokens = rest.slice(0, limit)
  const last = tokens.at(-1)
  return rest.length > limit && last !== undefined ? { tokens, next: last.id } : { tokens }
}

/** What authors minted that `isSeed` is true for, and what was minted with those tokens, and so on. */
export function mintedBy (minted: ReadonlyMap<string, Minted>, isSeed: (author: Author) => boolean): Minted[] {
  const found = new Map<string, Minted>()
  const mintedWith = new Map<string, Minted[]>()
  for (const one of minted.values()) {
    const { tokenId } = one.by
    if (isSeed(one.by)) found.set(one.id, one)
    if (tokenId === undefined) continue
    const others = mintedWith.get(tokenId)
    if (others === undefined) mintedWith.set(tokenId, [one])
    else others.push(one)
  }
  // Records come in any order from other servers. A map is walked to what is added meanwhile, too.
  for (const id of found.keys()) for (const one of mintedWith.get(id) ?? []) found.set(one.id, one)
  return [...found.values()]
}

/** When a token was last issued to a principal: now, or later where one on record is of a clock that was ahead. */
export function lastIssueTo (minted: ReadonlyMap<string, Minted>, principalId: string): number {
  let last = Date.now()
  for (const { subject, at } of minted.values()) {
    if (at > last && tokenPrincipalId(subject) === principalId) last = at
  }
  return last
}

/** With the time of its minting, where that is on record within the second that the token tells. */
export function datedByRecord (minted: ReadonlyMap<string, Minted>, minter: Revocable): Revocable {
  const { tokenId, issuedAt } = minter
  const mintedAt = tokenId === undefined ? undefined : minted.get(tokenId)?.at
  const isSameSecond =
    mintedAt !== undefined && issuedAt !== undefined && mintedAt >= issuedAt && mintedAt < issuedAt + 1000
  return isSameSecond ? { ...minter, issuedAt: mintedAt } : minter
}
