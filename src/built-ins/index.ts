/** The list of built-in tools. */
import type { State } from '../ledger/ledger.js'
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
  /** Left out where no token can be minted, for want of a secret to sign with or by the operator's wish. */
  readonly minting?: MintingOptions | undefined
  /** Left out where no token is accepted, so that there is none to list or to revoke. */
  readonly state?: State | undefined
  /** Left out where no client is signed in here. */
  readonly grants?: GrantTools | undefined
  /** Told of what is minted and revoked. Left out: nobody is. */
  readonly audit?: Audit | undefined
  /** What the operator switched off. Left out: nothing is. */
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
