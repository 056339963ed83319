/** How the tool and the command line show a minted token to administrators. */
import type { Minted } from './records.js'
import type { Ledger } from './ledger.js'

/** Times are in RFC 3339. */
export function mintedView (minted: Minted, state: Ledger) {
  const { id, subject, role, scopes, at, expiresAt, by } = minted
  return {
    id,
    subject,
    role,
    scopes: [...scopes],
    issuedAt: new Date(at).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    mintedBy: by.principal,
    mintedWith: by.tokenId ?? by.keyId ?? null,
    revoked: state.isRevokedToken(minted)
  }
}
