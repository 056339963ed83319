/** Reads the file that lists several identity providers. */
import { isRecord } from '../../lib/guards.js'
import { readSettingFile, SettingFileError, unreadable } from '../../lib/setting-file-error.js'
import { isSafeUrl } from '../../net/loopback.js'

/** One entry of the file. */
export interface IssuerEntry {
  /** Its callers get ids like `oauth@<name>:<sub>`. */
  readonly name: string
  readonly issuer: string
  readonly jwksUrl?: string
  readonly rolesClaim?: string
  readonly adminRole?: string
  readonly scopesClaim?: string
  readonly audience?: readonly string[]
}

/** The file cannot be used. The message completes a sentence about the setting, and repeats no values. */
export class IssuersFileError extends SettingFileError {
  override readonly name = 'IssuersFileError'
}

const texts = ['issuer', 'jwksUrl', 'rolesClaim', 'adminRole', 'scopesClaim'] as const
const members: ReadonlySet<string> = new Set(['name', 'audience', ...texts])
const nameForm = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const maxBytes = 1024 * 1024

/** True for a valid name of an issuer. It becomes part of the ids of callers. */
export function isIssuerName (name: unknown): name is string {
  return typeof name === 'string' && nameForm.test(name)
}

/** Throws an `IssuersFileError`. */
export function readIssuersFile (path: string): readonly IssuerEntry[] {
  let text: string
  try {
    text = readSettingFile(path)
  } catch (error) {
    throw new IssuersFileError(...unreadable(error))
  }
  if (text.length > maxBytes) throw new IssuersFileError('names a file that is larger than 1 MB')
  return parseIssuers(text)
}

/** The entries of the text of such a file. Throws an `IssuersFileError`. */
function parseIssuers (text: string): readonly IssuerEntry[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new IssuersFileError('names a file that is not JSON')
  }
  if (!Array.isArray(json) || json.length === 0) {
    throw new IssuersFileError('names a file that is not an array of issuers, or is empty')
  }
  const entries = json.map(readEntry)
  for (const [index, { name, issuer }] of entries.entries()) {
    if (entries.findIndex(one => one.name === name) < index) {
      throw new IssuersFileError(`names a file in which entry ${index + 1} repeats a name`)
    }
    if (entries.findIndex(one => one.issuer === issuer) < index) {
      throw new IssuersFileError(`names a file in which entry ${index + 1} repeats an issuer`)
    }
  }
  return entries
}

function readEntry (value: unknown, index: number): IssuerEntry {
  const wrong = (what: string): IssuersFileError =>
    new IssuersFileError(`names a file in which entry ${index + 1} ${what}`)
  if (!isRecord(value)) throw wrong('is not an object')
  if (Object.keys(value).some(member => !members.has(member))) {
    throw wrong(`has an unknown member; the members are ${[...members].join(', ')}`)
  }
  const { name, issuer, jwksUrl, audience } = value
  if (!isIssuerName(name)) throw wrong('requires a name of 1 to 63 lower-case letters, digits and "-"')
  for (const text of texts) {
    if (value[text] !== undefined && (typeof value[text] !== 'string' || value[text].trim() === '')) {
      throw wrong(`has a ${text} that is not a string`)
    }
  }
  for (const [member, url] of [['issuer', issuer], ['jwksUrl', jwksUrl]] as const) {
    if (member === 'jwksUrl' && url === undefined) continue
    if (
      typeof url !== 'string' ||
      !URL.canParse(url) ||
      !isSafeUrl(new URL(url)) ||
      (member === 'issuer' && /[?#]/.test(url))
    ) { throw wrong(`has an invalid ${member}: use https, or http on loopback`) }
  }
  if (
    audience !== undefined &&
    !(Array.isArray(audience) && audience.every(one => typeof one === 'string' && one !== ''))
  ) { throw wrong('has an audience that is not an array of names') }
  return value as unknown as IssuerEntry
}
