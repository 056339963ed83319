/** A problem with a setting, and the error that stops the start because of it. */
import { OperatorError } from '../lib/operator-error.js'

/** A problem that prevents the start. Contains no values, because any value may be a secret. */
export interface Problem {
  /** The name of the variable, or `.env` for the file itself. */
  readonly variable: string
  readonly wrong: string
  readonly right: string
}

/** The settings cannot be used. `message` has one line for each of the `hints`, then one for each problem. */
export class ConfigError extends OperatorError {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]

  constructor (problems: readonly Problem[], hints: readonly string[] = []) {
    super([...hints.map(hint => `Warning: ${hint}`), ...problems.map(describeProblem)].join('\n'))
    this.problems = problems
  }
}

export function describeProblem ({ variable, wrong, right }: Problem): string {
  return `${variable} ${wrong}; ${right}`
}
