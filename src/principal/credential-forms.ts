/** Credentials that somebody gives where an id belongs: kept and shown, they would stay good. */

/** A token up to its first dot, a key of this package's forms (whole, cut off or in other text), a claim code, and a header. */
const credential = /eyJ[\w-]{5,}\.|mcp_[a-z0-9]{12}_|mcp_[\w-]{32,}|\bbearer\s/i

/** True where `text` is, or holds, what looks like a credential. Keys of other forms look like nothing. */
export function holdsCredential (text: string): boolean {
  return credential.test(text)
}

/** The same whole: a name, a scope or a user id may begin like a key, or speak of a bearer. */
const wholeCredential = /eyJ[\w-]{5,}\.[\w-]+|mcp_[a-z0-9]{12}_[0-9A-Za-z]{16}|mcp_(?=[\w-]*[A-Z\d])[\w-]{43}|\b[Bb]earer\s+[\w.~+/=-]{16}/

/** True where `text` holds what could be used as a credential. */
export function holdsWholeCredential (text: string): boolean {
  return wholeCredential.test(text)
}

/** Throws a `RangeError` on what can be no id of a token or a caller; it repeats nothing of it. */
export function requireId (text: string): void {
  if (text.trim() === '' || text.length > 2048) throw new RangeError('an id is text of 1 to 2048 characters, not only white space')
  if (holdsCredential(text)) throw new RangeError('that is a credential, not an id, and nothing was revoked: the id of a token is its jti, which the list of tokens shows, and that of a caller is what whoami shows')
}
