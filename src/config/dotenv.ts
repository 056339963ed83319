/** Reads a `.env` file; the syntax is Node's own, so that `node --env-file` reads the same. */
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'

export interface DotenvFile {
  readonly values: Readonly<Record<string, string | undefined>>
  /** What makes the file unusable. Holds nothing of its content. */
  readonly faults: ReadonlyArray<{ wrong: string, right: string }>
  /** Every user of the machine may read it, or write to it. */
  readonly isPublic?: boolean
}

/**
 * From the start of a line: nothing, a comment, or NAME=value, whose quotes may span lines. Behind a
 * closing quote stands nothing but a comment: else the quote of another setting closes one that was
 * left open, and all between them is lost in silence.
 */
const STATEMENT =
  /[ \t]*(?:#[^\n]*|(?:export[ \t]+)?[A-Za-z_][\w.-]*[ \t]*=(?:[ \t]*(?:"[^"]*"|'[^']*'|`[^`]*`)[ \t]*(?:#[^\n]*)?|(?![ \t]*["'`])[^\n]*))?(?:\n|$)/y
const QUOTED = /^[ \t]*(?:export[ \t]+)?[A-Za-z_][\w.-]*[ \t]*=[ \t]*["'`]/

/** The variables of the file; none, and no fault, where there is no file. */
export function readDotenv (path: string): DotenvFile {
  try {
    return { ...parseDotenv(readFileSync(path, 'utf8')), isPublic: isPublic(path) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return { values: {}, faults: [] }
    return {
      values: {},
      faults: [
        {
          wrong: `cannot be read (${code ?? 'unknown error'})`,
          right: 'make it readable for this user, or remove it'
        }
      ]
    }
  }
}

function isPublic (path: string): boolean {
  // Windows has no such bits.
  return process.geteuid !== undefined && (statSync(path).mode & 0o006) !== 0
}

/** The variables of a `.env` text; none where a line of it is a fault. */
export function parseDotenv (text: string): DotenvFile {
  // Some editors put a byte order mark first; it would become part of the first name.
  const { statements, strayLines } = split(text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'))
  if (strayLines.length === 0) return { values: parseEnv(statements.join('\n')), faults: [] }
  return { values: {}, faults: strayLines.map(fault) }
}

function fault ({ number, isQuoted }: StrayLine): DotenvFile['faults'][number] {
  if (isQuoted) {
    return {
      wrong: `has an unclosed quote, or text after a closing quote (line ${number})`,
      right:
        'put the same quote before and after the value, followed by nothing but a comment'
    }
  }
  return {
    wrong: `has a line that is not NAME=value (line ${number})`,
    right: 'write NAME=value, or # before a comment'
  }
}

/** `number` counts from 1. */
interface StrayLine { readonly number: number, readonly isQuoted: boolean }

/**
 * The assignments, and the lines that begin neither one nor a comment. Node 20 takes such a
 * line, or one of spaces, and the line after it for one name, so that a variable is lost in
 * silence; later ones do not.
 */
function split (content: string): { statements: string[], strayLines: StrayLine[] } {
  const statements: string[] = []
  const strayLines: StrayLine[] = []
  let at = 0
  while (at < content.length) {
    STATEMENT.lastIndex = at
    const [statement] = STATEMENT.exec(content) ?? []
    if (statement === undefined) {
      strayLines.push({
        number: content.slice(0, at).split('\n').length,
        isQuoted: QUOTED.test(content.slice(at))
      })
    } else if (/^\s*[^\s#]/.test(statement)) statements.push(statement.trim())
    const lineEnd = content.indexOf('\n', at)
    const nextLine = lineEnd === -1 ? content.length : lineEnd + 1
    at = statement === undefined ? nextLine : at + statement.length
  }
  return { statements, strayLines }
}
