/**
 * Maps error codes and callers to the words of a decision. Each set of words is bounded, so that metrics can
 * use them as labels.
 */
import {
  AddressLockedError,
  FrozenError,
  HostRefusedError,
  InsufficientScopeError,
  NotAllowedError,
  OriginRefusedError,
  RateLimitedError,
  TooManyCallsError,
  TooManyStreamsError,
  UnauthenticatedError,
  UnknownPromptError,
  UnknownResourceError,
  UnknownToolError
} from '../errors.js'
import type { Principal } from '../principal/principal.js'
import type { Decision, Outcome } from './decision.js'

const limits: ReadonlySet<string> = codesOf(
  AddressLockedError,
  RateLimitedError,
  TooManyCallsError,
  TooManyStreamsError
)
/** A hidden item is answered like an unknown one, so both count as denied. */
const denials: ReadonlySet<string> = codesOf(
  UnauthenticatedError, OriginRefusedError, HostRefusedError, InsufficientScopeError, NotAllowedError, FrozenError,
  UnknownToolError, UnknownPromptError, UnknownResourceError
)

function codesOf (...classes: ReadonlyArray<{ readonly code: string }>): ReadonlySet<string> {
  return new Set(classes.map(({ code }) => code))
}

/** `isWhole`: the request was refused as a whole. `isMessage`: it contains a JSON-RPC message. */
export function decisionKindOf (code: string | undefined, isWhole: boolean, isMessage: boolean): Decision['kind'] {
  if (code !== undefined && limits.has(code)) return 'limited'
  if (isWhole) return 'refused'
  return isMessage ? 'called' : 'served'
}

/** `result` is that of a decision. */
export function outcomeOf (code: string | undefined, result: string): Outcome {
  if (code === undefined) return result === 'ok' ? 'allowed' : 'failed'
  return limits.has(code) || denials.has(code) ? 'denied' : 'failed'
}

/** `why`, or the code without its prefix: `MCP_ERR_NOT_FOUND` is `not-found`. */
export function reasonClassOf (code: string, why?: string): string {
  return why ?? code.replace(/^MCP_ERR_/, '').toLowerCase().replaceAll('_', '-')
}

/** `about` identifies a refused credential, as far as the refusal knows it. */
export function whoOf (
  principal: Principal | null | undefined,
  about?: Readonly<Record<string, unknown>>
): Pick<Decision, 'principal' | 'credential' | 'keyId' | 'tokenId' | 'oauthClient'> {
  if (principal != null) {
    const { id, method, keyId, tokenId, client } = principal
    return {
      principal: id,
      credential: method,
      keyId,
      tokenId,
      ...(client === undefined ? {} : { oauthClient: client.id })
    }
  }
  return { keyId: textOf(about?.keyId), tokenId: textOf(about?.tokenId) }
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
