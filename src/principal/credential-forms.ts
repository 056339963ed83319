/**
 * The forms of credentials: the table behind the log redactor, the check of ids and the secret scan of the
 * tests. API keys that were not created here have no recognizable form.
 */

/** One form of credential. Each member is the source of a regular expression, matched anywhere in a text. */
export interface CredentialForm {
  readonly name: string
  /** The beginning of the credential. A log line without it needs no further search. */
  readonly opening: string
  /** What the log redacts, including parts of credentials and truncated ones. */
  readonly logged: string
  /** What an id must not be or contain. */
  readonly inIds: string
  /** A complete, usable credential. Names, scopes and user ids may begin like one without being one. */
  readonly whole: string
  /** The shortest fragment that tests treat as a leak. */
  readonly part: string
}

export const credentialForms: readonly CredentialForm[] = [
  {
    name: 'token (JWT)',
    opening: 'eyJ',
    logged: 'eyJ[\\w-]{5,}(?:\\.[\\w-]*){0,2}',
    inIds: 'eyJ[\\w-]{5,}\\.',
    whole: 'eyJ[\\w-]{5,}\\.[\\w-]+',
    // The request state of a call also contains dots, but begins with `v1.` and is not a token.
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

/** The regular expressions for a table of forms. */
export interface CredentialPatterns {
  /** Has the flag `g`, for replacing. */
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

/** An `Authorization` header value, whatever it contains. */
const bearer = /\bbearer\s/i
const wholeBearer = /\b[Bb]earer\s+[\w.~+/=-]{16}/

/**
 * True if `text` contains something that looks like a credential. Cannot recognize keys created elsewhere.
 */
export function holdsCredential (text: string, { inIds } = credentialPatterns): boolean {
  return inIds.test(text) || bearer.test(text)
}

/** True if `text` contains a complete, usable credential. */
export function holdsWholeCredential (text: string, { whole } = credentialPatterns): boolean {
  return whole.test(text) || wholeBearer.test(text)
}

/** Throws a `RangeError` if `text` cannot be the id of a token or caller. The message does not repeat it. */
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
