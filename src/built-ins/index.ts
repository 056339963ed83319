/** The list of built-in tools. */
import type { Ledger } from '../ledger/ledger.js'
import { type MintingOptions, createGenerateToken } from './generate-token.js'
import type { Audit } from './ledger-tool.js'
import { createListTokens } from './list-tokens.js'
import { createListGrants, type GrantTools } from './list-grants.js'
import { createRevokeGrant } from './revoke-grant.js'
import { createRevokeSubject } from './revoke-subject.js'
import { createRevokeToken } from './revoke-token.js'
import type { Tool } from '../tools/tool.js'
import { createWhoami, type FrozenFor } from './whoami.js'

export interface BuiltInOptions {
  /** Left out if tokens cannot be created, because there is no secret or the operator turned it off. */
  readonly minting?: MintingOptions | undefined
  /** Left out if no tokens are accepted, so that there are none to list or revoke. */
  readonly state?: Ledger | undefined
  /** Left out if clients cannot be signed in here. */
  readonly grants?: GrantTools | undefined
  /** Called for what is created and revoked. Left out: nothing is called. */
  readonly audit?: Audit | undefined
  /** What the operator switched off. Left out: nothing. */
  readonly frozenFor?: FrozenFor | undefined
}

export function builtInTools ({ minting, state, grants, audit, frozenFor }: BuiltInOptions = {}): readonly Tool[] {
  return [
    createWhoami(frozenFor),
    ...(minting === undefined ? [] : [createGenerateToken({ audit, ...minting })]),
    ...(state === undefined
      ? []
      : [createListTokens(state), createRevokeToken(state, audit), createRevokeSubject(state, audit)]),
    ...(grants === undefined ? [] : [createListGrants(grants), createRevokeGrant(grants, audit)])
  ]
}
