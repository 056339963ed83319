/** Redacts credentials in finished log lines. */
import { credentialPatterns } from '../principal/credential-forms.js'
import { searchFor } from './secret-search.js'
import { replaceEscaped, spellingsOf } from './spellings.js'

const mask = '[redacted]'
/** A JWT or a part of one that starts at a segment, and this package's own API keys and codes. */
const { logged: tokens, openings } = credentialPatterns
const schemes = /\b(bearer|basic)(\s+)[\w.~+/=-]{6,}/gi
const names = '(?:proxy-)?authorization|x-api-key|(?:set-)?cookie'
/** A JSON field of the line: `"cookie":"…"`, `"set-cookie":["…"]`, and the pairs of `rawHeaders`. */
const jsonFields = new RegExp(
  `"(${names})"(\\s*[:,]\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|\\[(?:"(?:[^"\\\\]|\\\\.)*"|[^\\]"])*\\])`,
  'gi'
)
/** A quote inside a JSON string. Double quotes are escaped, perhaps more than once. */
const quote = '\\\\+"|\''
/** The same inside a string: escaped JSON, output of `inspect`, header text, the query of a URL. */
const textFields = new RegExp(
  `(${names}|[?&](?:api[_-]?key|key|(?:access[_-]?)?token))` +
    `((?:${quote})?\\s*[:=]\\s*(?:${quote})?|(?:${quote})\\s*,\\s*(?:${quote}))[^"'\\\\]+`,
  'gi'
)

/**
 * Creates the function that redacts credentials in a line of JSON. `secrets` are the configured ones, which
 * are redacted wherever they appear and however they are encoded. Secrets shorter than 4 characters are
 * ignored, because they could be ordinary text.
 */
export function createRedactor (secrets: readonly string[] = []): (line: string) => string {
  const plain = secrets.filter(secret => secret.length >= 4)
  // Longest first, because one may be the beginning of another.
  const known = plain.flatMap(spellingsOf).sort((a, b) => b.length - a.length)
  const pattern = new RegExp(known.map(text => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  const holdsKnown = known.length === 0 ? () => false : searchFor(known)
  const isSecret = (text: string): boolean => plain.some(secret => text.includes(secret)) || text.search(tokens) >= 0
  return line => {
    const isSuspect = hint.test(line)
    const blotted = isSuspect ? blot(line) : line
    // A cheap search first: the time of the pattern grows with the number of secrets, on every line.
    const redacted = holdsKnown(blotted) ? blotted.replace(pattern, mask) : blotted
    return isSuspect && escapeHint.test(redacted) ? replaceEscaped(redacted, isSecret, mask) : redacted
  }
}

/** Only few lines contain an escape. */
const escapeHint = /%[0-9a-f]{2}|\\u00|&#/i

/**
 * One pass shows that most lines contain nothing to redact; the five passes after it take ten times as long.
 * It must not match text that every line contains.
 */
const hint = new RegExp(
  `${openings.join('|')}|authorization|x-api-key|cookie|bearer|basic|[?&](?:api|key|access|token)|${escapeHint.source}`,
  'i'
)

function blot (line: string): string {
  return line
    .replace(tokens, mask)
    .replace(jsonFields, `"$1"$2"${mask}"`)
    .replace(textFields, `$1$2${mask}`)
    .replace(schemes, `$1$2${mask}`)
}
