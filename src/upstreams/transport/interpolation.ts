/** Replaces `${NAME}` in the options of an upstream. */
import { passedNames } from './process-environment.js'

/**
 * Replaced in `args`, `env` and `cwd` by the caller of the process: 32 hexadecimal digits, always the same
 * for a caller, or `nobody` for the process that only lists the tools.
 */
// eslint-disable-next-line no-template-curly-in-string
export const callerMark = '${caller}'

/** A variable is not set. The message names it and says what to do. */
export class UnsetVariableError extends Error {
  override readonly name = 'UnsetVariableError'
}

/** Also matches the forms of clients: `${env:NAME}` and `${NAME:-default}`. */
const marks = /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

export class Interpolation {
  readonly #environment: Readonly<Record<string, string | undefined>>
  readonly #secrets = new Set<string>()

  constructor (environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment
  }

  /** The inserted values, except those of variables that every process gets. */
  get secrets (): readonly string[] { return [...this.#secrets] }

  /** Replaces variables in all texts of `value`. Throws an `UnsetVariableError` if one is missing or empty. */
  fill (value: unknown): unknown {
    if (typeof value === 'string') return this.#text(value)
    if (Array.isArray(value)) return value.map(one => this.fill(one))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.fill(one)]))
  }

  #text (text: string): string {
    return text.replaceAll(marks, (mark, name: string, fallback: string | undefined) => {
      if (mark === callerMark) return mark
      const found = Object.hasOwn(this.#environment, name) ? this.#environment[name] : undefined
      if (found !== undefined && found !== '') {
        if (!passedNames.includes(name)) this.#secrets.add(found)
        return found
      }
      if (fallback !== undefined) return fallback
      throw new UnsetVariableError(
        `the environment variable ${name} is not set (.env does not count); set it, or replace ${mark} with the value`
      )
    })
  }
}
