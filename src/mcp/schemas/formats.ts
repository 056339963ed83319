/** The formats defined by JSON Schema (2020-12, Validation §7.3), each checked in one pass over the text. */
import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'

const daysOf = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** RFC 3339 §5.6, full-date. */
function isDate (text: string): boolean {
  const [, year = 0, month = 0, day = 0] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)?.map(Number) ?? []
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const days = month === 2 && isLeap ? 29 : daysOf[month - 1] ?? 0
  return day >= 1 && day <= days
}

/** RFC 3339 §5.6, full-time. A leap second is only valid at the end of a day in UTC. */
function isTime (text: string): boolean {
  const found = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:z|([+-])(\d\d):(\d\d))$/i.exec(text)
  if (found === null) return false
  const [hour, minute, second, zoneHour, zoneMinute] = [1, 2, 3, 5, 6].map(group =>
    Number(found[group] ?? 0)
  ) as [number, number, number, number, number]
  if (hour > 23 || minute > 59 || second > 60 || zoneHour > 23 || zoneMinute > 59) return false
  if (second < 60) return true
  const offset = (found[4] === '-' ? -1 : 1) * (zoneHour * 60 + zoneMinute)
  return (hour * 60 + minute - offset + 2 * 1440) % 1440 === 1439
}

function isDateTime (text: string): boolean {
  return /^t$/i.test(text.charAt(10)) && isDate(text.slice(0, 10)) && isTime(text.slice(11))
}

/** RFC 3339, appendix A. Longer texts are not valid durations. */
function isDuration (text: string): boolean {
  return (
    text.length <= 256 &&
    /^P(?!$)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$/.test(text)
  )
}

/** RFC 1123 §2.1. */
function isHostname (text: string): boolean {
  if (text.length === 0 || text.length > 253) return false
  return text.split('.').every(label => label.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(label))
}

/** RFC 5890 §2.3.2.3. */
function isInternationalHostname (text: string): boolean {
  return text.length <= 253 && isHostname(domainToASCII(text))
}

/** RFC 5321 §4.1.2, with a domain; `mayBe` tells which characters the local part may have. */
function isAddress (text: string, mayBe: RegExp, isDomain: (text: string) => boolean): boolean {
  const at = text.lastIndexOf('@')
  if (at < 1 || at > 64) return false
  const name = text.slice(0, at)
  return (
    mayBe.test(name) &&
    !name.startsWith('.') &&
    !name.endsWith('.') &&
    !name.includes('..') &&
    isDomain(text.slice(at + 1))
  )
}

/** RFC 3986 §2: only characters that a URI may have, and complete percent-encodings. */
function isOfUriCharacters (text: string): boolean {
  return !/[^\w\-.~:/?#[\]@!$&'()*+,;=%]/.test(text) && !/%(?![\da-f]{2})/i.test(text)
}

/** RFC 3987 §2.2. */
function isOfIriCharacters (text: string): boolean {
  return !/[\0-\x20"<>\\^`{|}\x7f-\x9f\p{Cs}]/u.test(text) && !/%(?![\da-f]{2})/i.test(text)
}

function hasScheme (text: string): boolean {
  const colon = text.indexOf(':')
  return colon > 0 && colon <= 64 && /^[a-z][a-z\d+.-]*$/i.test(text.slice(0, colon))
}

/** RFC 6570 §2: expressions in braces, not nested. */
function isUriTemplate (text: string): boolean {
  let isOpen = false
  for (const character of text) {
    if (character === '{' ? isOpen : character === '}' && !isOpen) return false
    if (character === '{') isOpen = true
    else if (character === '}') isOpen = false
  }
  return !isOpen && !/[\0-\x20"<>\\^`|\x7f]/.test(text)
}

/** RFC 6901 §3. */
function isJsonPointer (text: string): boolean {
  return text === '' || (text.startsWith('/') && !/~(?![01])/.test(text))
}

function isRelativeJsonPointer (text: string): boolean {
  const [steps = ''] = /^(?:0|[1-9]\d{0,15})/.exec(text) ?? []
  const rest = text.slice(steps.length)
  return steps !== '' && (rest === '#' || isJsonPointer(rest))
}

/** ECMA-262. Longer texts are not parsed. */
function isRegExp (text: string): boolean {
  if (text.length > 1000) return false
  try {
    return RegExp(text, 'u') instanceof RegExp
  } catch {
    return false
  }
}

export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  time: isTime,
  'date-time': isDateTime,
  duration: isDuration,
  email: text => isAddress(text, /^[\w.!#$%&'*+/=?^`{|}~-]+$/, isHostname),
  'idn-email': text => isAddress(text, /^[^\s@"(),:;<>[\\\]]+$/, isInternationalHostname),
  hostname: isHostname,
  'idn-hostname': isInternationalHostname,
  ipv4: isIPv4,
  // Without a zone, which would differ between machines.
  ipv6: text => isIPv6(text) && !text.includes('%'),
  uri: text => hasScheme(text) && isOfUriCharacters(text),
  'uri-reference': isOfUriCharacters,
  iri: text => hasScheme(text) && isOfIriCharacters(text),
  'iri-reference': isOfIriCharacters,
  uuid: text => /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text),
  'uri-template': isUriTemplate,
  'json-pointer': isJsonPointer,
  'relative-json-pointer': isRelativeJsonPointer,
  regex: isRegExp
}
