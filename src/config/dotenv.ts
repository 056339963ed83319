/** Reads a `.env` file; the syntax is Node's own, so that `node --env-file` reads the same. */
import { readFileSync } from 'node:fs'
// The whole module: Node below 20.12 has no `parseEnv`, and a named import would fail without a word.
import * as util from 'node:util'

export interface DotenvFile {
  readonly values: Readonly<Record<string, string | undefined>>
  /** What makes the file unusable. Holds nothing of its content. */
  readonly faults: ReadonlyArray<{ wrong: string, right: string }>
}

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/

/** The variables of the file; none, and no fault, where there is no file. */
export function readDotenv (path: string): DotenvFile {
  try {
    return parseDotenv(readFileSync(path, 'utf8'))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return { values: {}, faults: [] }
    return { values: {}, faults: [{ wrong: `can not be read (${code ?? 'unknown error'})`, right: 'make it a file that this user may read, or remove it' }] }
  }
}

/**
 * The variables of a `.env` text. Node's parser takes a line without `=` and the line after it for
 * one name, so that the second variable would be lost in silence: such a line is a fault.
 */
export function parseDotenv (text: string): DotenvFile {
  if (util.parseEnv === undefined) return { values: {}, faults: [{ wrong: 'can not be read by this Node', right: 'use Node 20.12 or later, or set the environment' }] }
  // Some editors put a byte order mark first; it would become part of the first name.
  const content = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  const values = util.parseEnv(content)
  const faults = Object.keys(values).filter(name => !NAME.test(name)).map(name => ({
    wrong: `has a line that is not NAME=value (line ${lineOf(content, name)})`,
    right: 'write NAME=value, or # before a comment'
  }))
  return { values, faults }
}

function lineOf (content: string, name: string): number {
  const [first = ''] = name.split('\n')
  return content.split('\n').findIndex(line => line.trimStart().startsWith(first)) + 1
}
