/** Shared by tools that change the state: fields with readable errors, and failures of the state. */
import { z } from '../lib/zod.js'
import { UnavailableError, retryLater } from '../errors.js'
import type { Principal } from '../principal/principal.js'
import { NotSharedError } from '../fleet/bus.js'
import { StateError } from '../ledger/file/directory.js'

/** Takes what was done with the rights of others, and by whom. No credential is in it. */
export type Audit = (
  kind: 'token-minted' | 'token-revoked' | 'subject-revoked' | 'grant-revoked',
  about: Readonly<Record<string, unknown>>,
  by: { readonly principal: Principal, readonly requestId: string }
) => void

export const noAudit: Audit = () => {}

const retryAfterMs = 5000

/** Resolves to what `work` does; a state that cannot be written is 503. */
export async function kept<T> (work: Promise<T> | T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof StateError || error instanceof NotSharedError)) throw error
    throw new UnavailableError(retryLater(retryAfterMs, { reason: 'the state cannot be written', cause: error }))
  }
}

/** A check that throws, as a refinement whose message is the error's. */
export function refine<T> (check: (value: T) => unknown) {
  return (value: T, context: z.core.$RefinementCtx<T>): void => {
    try {
      check(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'invalid' })
    }
  }
}

export function timeText (ms: number): string {
  return new Date(ms).toISOString()
}
