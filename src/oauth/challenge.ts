/** The `WWW-Authenticate` header of a refusal (RFC 6750 §3, RFC 9728 §5.1). */
import { scopeForm } from '../principal/scope.js'

export interface ChallengeOptions {
  /** Printable ASCII without `"` and `\`. */
  readonly realm: string
  /** Where clients find out who issues tokens for this server. Left out: nobody does. */
  readonly resourceMetadata?: string | undefined
  /** The scopes that a client asks for first. Default none. */
  readonly scopes?: readonly string[] | undefined
}

export interface ChallengeParameters {
  /** Left out where nothing was presented. */
  readonly error?: 'invalid_token' | 'insufficient_scope' | undefined
  /** All scopes that the request needs. The options' scopes where left out. */
  readonly scopes?: readonly string[] | undefined
}

/**
 * Throws if the realm or the URL cannot be in a quoted string. Invalid scopes are left out: they could end
 * the string.
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
  // Bearer alone, and first: clients read only the first scheme.
  return ({ error, scopes = first }) => {
    const scope = scopes.filter(one => scopeForm.test(one)).join(' ')
    return (
      `Bearer realm="${realm}"` +
      (error === undefined ? '' : `, error="${error}"`) +
      (scope === '' ? '' : `, scope="${scope}"`) +
      (resourceMetadata === undefined ? '' : `, resource_metadata="${resourceMetadata}"`)
    )
  }
}
