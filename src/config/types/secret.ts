/** Setting types for secrets. */
import { isPlaceholder, newSecret } from '../../principal/strength.js'
import { splitList, text, type Kind, type Report } from './basic.js'

const MIN_REQUEST_STATE_KEY_CHARACTERS = 32

const quoted = [
  'is in quotes, which would be part of it',
  "write it without them: Docker's env files and systemd's lines in quotes keep them"
] as const

/** The same quote at both ends: an env file of Docker hands them on. */
function isQuoted (text: string): boolean {
  return /^(["'`]).*\1$/s.test(text)
}

/** A secret of one piece. Its strength depends on where it is used, so it is not judged here. */
export function secret (): Kind<string> {
  return text((given, report) => {
    if (isQuoted(given)) report(...quoted)
    else if (isPlaceholder(given)) report('is a well-known placeholder', newSecret)
    return given
  })
}

/** A secret of one piece that is strong wherever it is used. */
export function strongSecret (): Kind<string> {
  const kind = secret()
  return {
    ...kind,
    parse (text, report) {
      if (!isPlaceholder(text) && !isQuoted(text) && text.length < MIN_REQUEST_STATE_KEY_CHARACTERS) {
        report(`is under ${MIN_REQUEST_STATE_KEY_CHARACTERS} characters`, newSecret)
      }
      return kind.parse(text, report)
    }
  }
}

/** API keys between commas, each trimmed; empty ones are ignored. */
export function secretList (): Kind<readonly string[]> {
  return secrets((key, report) => {
    if (!/^[\x21-\x7e]+$/.test(key)) {
      report(
        'contains a character that is not allowed in a header',
        'use letters, digits and punctuation without spaces'
      )
    }
  })
}

/** Secrets of any characters but the comma, each trimmed; empty ones are ignored. */
export function formerSecrets (): Kind<readonly string[]> {
  return secrets(() => {})
}

function secrets (judge: (entry: string, report: Report) => void): Kind<readonly string[]> {
  return {
    parse (text, report) {
      if (isQuoted(text)) report(...quoted)
      const entries = splitList(text)
      const seen = new Map<string, number>()
      for (const [index, entry] of entries.entries()) {
        const place = entries.length === 1 ? '' : `entry ${index + 1} `
        const first = seen.get(entry)
        seen.set(entry, first ?? index)
        if (isPlaceholder(entry)) report(`${place}is a well-known placeholder`, newSecret)
        else if (isQuoted(entry) && entries.length > 1) report(`${place}${quoted[0]}`, quoted[1])
        else if (first !== undefined) report(`${place}is the same as entry ${first + 1}`, 'list each once')
        else judge(entry, (wrong, right) => { report(place + wrong, right) })
      }
      return entries
    },
    unset: [],
    schema: { type: 'array', items: { type: 'string', minLength: 1 } }
  }
}
