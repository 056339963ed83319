/** The `WWW-Authenticate` header of a refusal (RFC 6750 §3, RFC 9728 §5.1). */
import { scopeForm } from '../principal/scope.js'

export interface ChallengeOptions {
  /** Printable ASCII without `"` and `\`. */
  readonly realm: string
  /** URL of the protected resource metadata. Default: omitted from the header. */
  readonly resourceMetadata?: string | undefined
  /** The scopes that a client should request first. Default none. */
  readonly scopes?: readonly string[] | undefined
}

export interface ChallengeParameters {
  /** Omitted if the request has no credential (RFC 6750 §3.1). */
  readonly error?: 'invalid_token' | 'insufficient_scope' | undefined
  /** All scopes that the request needs. Default: the `scopes` of the options. */
  readonly scopes?: readonly string[] | undefined
}

/**
 * Returns a function that builds the header. Throws if the realm or the URL cannot be part of a quoted
 * string. Invalid scopes are dropped, because a quote in one could end the string (header injection).
 */
export function createChallenge ({
  realm,
  resourceMetadata,
  scopes: first = []
}: ChallengeOptions): (parameters: ChallengeParameters) => string {
  for (const [name, value = ''] of [
    ['realm', realm],
    ['resourceMetadata', resourceMetadata]
  ] as const) {
    if (!/^[ !#-[\]-~]*$/.test(value)) {
      throw new Error(`\`${name}\` must be printable ASCII without quotes and backslashes`)
    }
  }
  // `Bearer` is the only scheme, because many clients read only the first one.
  return ({ error, scopes = first }) => {
    const scope = scopes.filter(name => scopeForm.test(name)).join(' ')
    return (
      `Bearer realm="${realm}"` +
      (error === undefined ? '' : `, error="${error}"`) +
      (scope === '' ? '' : `, scope="${scope}"`) +
      (resourceMetadata === undefined ? '' : `, resource_metadata="${resourceMetadata}"`)
    )
  }
}
