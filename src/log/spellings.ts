/** The spellings in which a configured secret may stand in a line of the log. */

/**
 * `secret` as it reads in a string of JSON, in JSON inside of JSON, in a URL and in base64. What is escaped
 * without need,
 * as `%61` for `a`, is for `undone`.
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
    // Half of a surrogate pair has no such form.
    return text
  }
}

/** Shorter pieces could be chance. */
const minBase64Bytes = 8

/**
 * Base64 writes three bytes at a time, so that a text inside of another has three spellings; the edges
 * depend on what is around it.
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

/** A word: bounded in each step, because a caller may choose it. A backslash before a quote stays where it is. */
const word = /(?:[^\s"',<>\\]|\\{1,8}u00[0-9a-f]{2})+/gi
/** Percent-encoded, of JSON, and of HTML. */
const escape = /%([0-9a-f]{2})|\\{1,8}u00([0-9a-f]{2})|&#x([0-9a-f]{2});|&#(\d{2,3});/gi
/** An escape may be escaped again, as a proxy does. */
const maxLayers = 3

/** Replaces each word of `line` that `isSecret` is true of once its escapes are undone. */
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
