/** The encodings in which a configured secret may appear in a log line. */

/**
 * `secret` as it appears in a JSON string, in JSON inside JSON, in a URL and in base64. Unnecessary escapes,
 * such as `%61` for `a`, are handled by `replaceEscaped`.
 */
export function spellingsOf (secret: string): readonly string[] {
  const plain = [secret, percentEncoded(secret), percentEncoded(secret).replaceAll('%20', '+'), ...inBase64(secret)]
  const inLine = plain.map(escapedForJson)
  const inJson = inLine.map(escapedForJson)
  return [...new Set([...inLine, ...inJson, ...inJson.map(escapedForJson)])]
}

function escapedForJson (text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

function percentEncoded (text: string): string {
  try {
    return encodeURIComponent(text)
  } catch {
    // A lone surrogate cannot be percent-encoded.
    return text
  }
}

/** Shorter pieces could match by chance. */
const minBase64Bytes = 8

/**
 * Base64 encodes three bytes at a time, so a text inside another has three encodings. The characters at its
 * edges depend on the surrounding text and are left out.
 */
function inBase64 (secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  if (bytes.length < minBase64Bytes) return []
  return [0, 1, 2].flatMap(lead => {
    const before = Math.ceil(lead * 8 / 6)
    const whole = Math.floor((lead + bytes.length) * 8 / 6)
    const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64').slice(before, whole)
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

/** A word, in bounded steps because a caller may choose it. It excludes a backslash before a quote. */
const word = /(?:[^\s"',<>\\]|\\{1,8}u00[0-9a-f]{2})+/gi
/** Percent-encoding, JSON escapes and HTML entities. */
const escape = /%([0-9a-f]{2})|\\{1,8}u00([0-9a-f]{2})|&#x([0-9a-f]{2});|&#(\d{2,3});/gi
/** Some proxies escape an escape again. */
const maxLayers = 3

/** Replaces each word of `line` for which `isSecret` returns true after its escapes are decoded. */
export function replaceEscaped (line: string, isSecret: (text: string) => boolean, mask: string): string {
  return line.replace(word, piece => {
    let text = piece
    for (let layer = 0; layer < maxLayers; layer++) {
      const undone = text.replace(escape, undo)
      if (undone === text) return piece
      if (isSecret(undone)) return mask
      text = undone
    }
    return piece
  })
}

function undo (_all: string, percent?: string, json?: string, html?: string, decimal?: string): string {
  const hex = percent ?? json ?? html
  return String.fromCharCode(hex === undefined ? Number(decimal) : parseInt(hex, 16))
}
