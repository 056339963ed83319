/**
 * What credentials look like: the one table that the redactor of the log, the check of ids and the witness of the tests
 * read. Keys that were not made here have no form.
 */

/** A form of credentials. Each member is the source of a regular expression, tried anywhere in a text. */
export interface CredentialForm {
  readonly name: string
  /** How each begins: a line of the log without it is not looked at again. */
  readonly opening: string
  /** What is blotted out of the log: also a part, and what is cut off. */
  readonly logged: string
  /** What is no id, and no part of one. */
  readonly inIds: string
  /** What could be used: a name, a scope or a user id may begin like a credential, and be none. */
  readonly whole: string
  /** The least that a test may not see anywhere. */
  readonly part: string
}

export const credentialForms: readonly CredentialForm[] = [
  {
    name: 'token (JWT)',
    opening: 'eyJ',
    logged: 'eyJ[\\w-]{5,}(?:\\.[\\w-]*){0,2}',
    inIds: 'eyJ[\\w-]{5,}\\.',
    whole: 'eyJ[\\w-]{5,}\\.[\\w-]+',
    // What a call carries between its rounds begins with `v1.`, and is none.
    part: '(?<!\\bv1\\.)\\beyJ(?:[\\w-]{5,}\\.|[\\w-]{20,})'
  },
  {
    name: 'managed API key',
    opening: 'mcp_',
    logged: 'mcp_[\\w-]{16,}',
    inIds: 'mcp_[a-z0-9]{12}_',
    whole: 'mcp_[a-z0-9]{12}_[0-9A-Za-z]{16}',
    part: 'mcp_[a-z0-9]{12}_[0-9A-Za-z]{4,}'
  },
  {
    name: 'code of a link or a sign-in, refresh token',
    opening: 'mcp_',
    logged: 'mcp_[\\w-]{16,}',
    inIds: 'mcp_[\\w-]{32,}',
    whole: 'mcp_(?=[\\w-]*[A-Z\\d])[\\w-]{43}',
    part: 'mcp_(?:claim|refresh)_[\\w-]{4,}'
  }
]

/** What a table of forms finds in texts. */
export interface CredentialPatterns {
  /** Global, for replacing. */
  readonly logged: RegExp
  readonly openings: readonly string[]
  readonly inIds: RegExp
  readonly whole: RegExp
  readonly part: RegExp
}

export function patternsOf (forms: readonly CredentialForm[]): CredentialPatterns {
  const anyOf = (member: Exclude<keyof CredentialForm, 'name'>, flags = ''): RegExp =>
    new RegExp([...new Set(forms.map(form => form[member]))].join('|'), flags)
  return {
    logged: anyOf('logged', 'g'),
    openings: [...new Set(forms.map(({ opening }) => opening))],
    inIds: anyOf('inIds'),
    whole: anyOf('whole'),
    part: anyOf('part')
  }
}

export const credentialPatterns = patternsOf(credentialForms)

/** A header, whatever it carries. */
const bearer = /\bbearer\s/i
const wholeBearer = /\b[Bb]earer\s+[\w.~+/=-]{16}/

/** True where `text` is, or holds, what looks like a credential. Keys of other forms look like nothing. */
export function holdsCredential (text: string, { inIds } = credentialPatterns): boolean {
  return inIds.test(text) || bearer.test(text)
}

/** True where `text` holds what could be used as a credential. */
export function holdsWholeCredential (text: string, { whole } = credentialPatterns): boolean {
  return whole.test(text) || wholeBearer.test(text)
}

/** Throws a `RangeError` on what can be no id of a token or a caller; it repeats nothing of it. */
export function requireId (text: string): void {
  if (text.trim() === '' || text.length > 2048) {
    throw new RangeError('an id must be text of 1 to 2048 characters, not only white space')
  }
  if (holdsCredential(text)) {
    throw new RangeError(
      'that is a credential, not an id. Nothing was revoked: the id of a token is its jti, as shown in the ' +
        'list of tokens; the id of a caller is shown by whoami'
    )
  }
}
