/** Queries over the tokens on record: pages, and which token created which. */
import { tokenPrincipalId } from '../principal/principal.js'
import type { Revocable } from './index-in-memory.js'
import type { Author, Minted } from './records.js'

export interface TokenFilter {
  readonly subject?: string | undefined
  /** Default 100. */
  readonly limit?: number | undefined
  /** The id of the last token of the previous page. */
  readonly after?: string | undefined
}

export interface TokenPage {
  readonly tokens: readonly Minted[]
  /** The `after` of the next page. Absent on the last page. */
  readonly next?: string
}

/** Tokens that have not expired, oldest first. `undefined` if the token `after` does not exist. */
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

/** The tokens created by authors that match `isSeed`, the tokens created with those, and so on. */
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
  // Records from other servers come in any order. The iteration of a Map includes entries added during it.
  for (const id of found.keys()) for (const one of mintedWith.get(id) ?? []) found.set(one.id, one)
  return [...found.values()]
}

/** A principal's latest time of issue: now, or later if a clock that was ahead issued a token on record. */
export function lastIssueTo (minted: ReadonlyMap<string, Minted>, principalId: string): number {
  let last = Date.now()
  for (const { subject, at } of minted.values()) {
    if (at > last && tokenPrincipalId(subject) === principalId) last = at
  }
  return last
}

/** Replaces `issuedAt`, which counts whole seconds, by the recorded time of minting if it is known. */
export function datedByRecord (minted: ReadonlyMap<string, Minted>, minter: Revocable): Revocable {
  const { tokenId, issuedAt } = minter
  const mintedAt = tokenId === undefined ? undefined : minted.get(tokenId)?.at
  const isSameSecond =
    mintedAt !== undefined && issuedAt !== undefined && mintedAt >= issuedAt && mintedAt < issuedAt + 1000
  return isSameSecond ? { ...minter, issuedAt: mintedAt } : minter
}
