/** Parameters of the OAuth endpoints, from a query or a form: each at most once (RFC 6749 §3.1, §3.2). */
import { OAuthError } from './oauth-error.js'

export type Parameters = Readonly<Record<string, string>>

/** A longer one is none that a client has reason to send. */
const maxLength = 8192

/**
 * The parameters of a query or a form, and the names of those that came more than once. Empty ones count as
 * left out.
 */
export function readParameters (text: string): {
  readonly parameters: Parameters
  readonly repeated: ReadonlySet<string>
} {
  const parameters: Record<string, string> = Object.create(null)
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (seen.has(name)) repeated.add(name)
    seen.add(name)
    if (value !== '' && !repeated.has(name)) parameters[name] = value
  }
  return { parameters, repeated }
}

/** The same of a form that must have none twice. Throws an `invalid_request`. */
export function formParameters (text: string): Parameters {
  const { parameters, repeated } = readParameters(text)
  if (repeated.size > 0) throw new OAuthError('invalid_request', 'A parameter is repeated')
  return parameters
}

/** The parameter. Throws an `invalid_request` where it is left out or too long. `name` is a constant of ours. */
export function required (parameters: Parameters, name: string): string {
  const value = optional(parameters, name)
  if (value === undefined) throw new OAuthError('invalid_request', `The parameter "${name}" is missing`)
  return value
}

export function optional (parameters: Parameters, name: string): string | undefined {
  const value = parameters[name]
  if (value !== undefined && value.length > maxLength) {
    throw new OAuthError('invalid_request', `The parameter "${name}" is too long`)
  }
  return value
}
