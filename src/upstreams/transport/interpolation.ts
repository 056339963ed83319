/** `${NAME}` in the texts of an upstream's options. */
import { passedNames } from './process-environment.js'

/**
 * Stands in `args`, `env` and `cwd` for the caller whose process it is: 32 hexadecimal digits, the same for the same
 * caller. `nobody` in the process that only lists the tools.
 */
// eslint-disable-next-line no-template-curly-in-string
export const callerMark = '${caller}'

/** The message names the variable and says what to do. */
export class UnsetVariableError extends Error {
  override readonly name = 'UnsetVariableError'
}

/** Also as clients write it: `${env:NAME}`, and `${NAME:-default}`. */
const marks = /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g

export class Interpolation {
  readonly #environment: Readonly<Record<string, string | undefined>>
  readonly #secrets = new Set<string>()

  constructor (environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment
  }

  /** The values that were filled in, but for those of variables that every process gets. */
  get secrets (): readonly string[] { return [...this.#secrets] }

  /** `value` with all texts in it filled. Throws an `UnsetVariableError` for a variable that is not set, or empty. */
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
