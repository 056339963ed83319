/** Setting types for secrets. */
import { isPlaceholder, newSecret } from '../../principal/strength.js'
import { splitList, text, type SettingType, type Report } from './basic.js'

const MIN_REQUEST_STATE_KEY_CHARACTERS = 32

const quoted = [
  'is in quotes, which would be part of it',
  "remove them: Docker's env files and quoted lines of systemd keep the quotes"
] as const

/** True if the text has the same quote at both ends. Docker's env files keep such quotes. */
function isQuoted (text: string): boolean {
  return /^(["'`]).*\1$/s.test(text)
}

/** A single secret. The required strength depends on its use, so it is checked elsewhere. */
export function secret (): SettingType<string> {
  return text((given, report) => {
    if (isQuoted(given)) report(...quoted)
    else if (isPlaceholder(given)) report('is a well-known placeholder', newSecret)
    return given
  })
}

/** A single secret that must always be strong. */
export function strongSecret (): SettingType<string> {
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

/** A strong secret that is sent in a header. */
export function sentSecret (): SettingType<string> {
  const kind = strongSecret()
  return {
    ...kind,
    parse (text, report) {
      requireSendable(text, report)
      return kind.parse(text, report)
    }
  }
}

/** Comma-separated API keys, each trimmed; empty entries are ignored. */
export function secretList (): SettingType<readonly string[]> {
  return secrets(requireSendable)
}

function requireSendable (secret: string, report: Report): void {
  if (/^[\x21-\x7e]+$/.test(secret)) return
  report(
    'contains a character that is not allowed in a header',
    'use letters, digits and punctuation without spaces'
  )
}

/** Comma-separated secrets of any other characters, each trimmed; empty entries are ignored. */
export function formerSecrets (): SettingType<readonly string[]> {
  return secrets(() => {})
}

function secrets (judge: (entry: string, report: Report) => void): SettingType<readonly string[]> {
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
