/** Helpers for tools that change the state: fields with readable errors, and failures of the state. */
import { z } from '../lib/zod.js'
import { UnavailableError, retryLater } from '../errors.js'
import type { Principal } from '../principal/principal.js'
import { NotSharedError } from '../fleet/bus.js'
import { StateError } from '../ledger/file/directory.js'

/** Records a change of other callers' rights, and who made it. Contains no credential. */
export type Audit = (
  kind: 'token-minted' | 'token-revoked' | 'subject-revoked' | 'grant-revoked',
  about: Readonly<Record<string, unknown>>,
  by: { readonly principal: Principal, readonly requestId: string }
) => void

export const noAudit: Audit = () => {}

const retryAfterMs = 5000

/** The result of `work`. A state that cannot be written becomes a 503. */
export async function kept<T> (work: Promise<T> | T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof StateError || error instanceof NotSharedError)) throw error
    throw new UnavailableError(retryLater(retryAfterMs, { reason: 'the state cannot be written', cause: error }))
  }
}

/** Converts a check that throws to a zod refinement with the error's message. */
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
