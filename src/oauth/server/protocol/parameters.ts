/** Reads the parameters of the OAuth endpoints from a query or a form (RFC 6749 §3.1, §3.2). */
import { OAuthError } from './oauth-error.js'

export type Parameters = Readonly<Record<string, string>>

const maxLength = 8192

/**
 * Reads a query or a form. Also returns the names of parameters that occur more than once. Parameters without
 * a value count as omitted.
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

/** Reads a form. Throws an `invalid_request` if a parameter occurs more than once. */
export function formParameters (text: string): Parameters {
  const { parameters, repeated } = readParameters(text)
  if (repeated.size > 0) throw new OAuthError('invalid_request', 'A parameter is repeated')
  return parameters
}

/**
 * Throws an `invalid_request` if the parameter is missing or too long. `name` must be a constant: the error
 * repeats it.
 */
export function required (parameters: Parameters, name: string): string {
  const value = optionalParameter(parameters, name)
  if (value === undefined) throw new OAuthError('invalid_request', `The parameter "${name}" is missing`)
  return value
}

export function optionalParameter (parameters: Parameters, name: string): string | undefined {
  const value = parameters[name]
  if (value !== undefined && value.length > maxLength) {
    throw new OAuthError('invalid_request', `The parameter "${name}" is too long`)
  }
  return value
}
