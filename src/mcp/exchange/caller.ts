/** What the host knows of the caller of an exchange, and how an era speaks to it. */
import type { Refusal } from '../../errors.js'
import type { CallLogger, CallRequest } from '../../tools/app-context.js'
import type { Principal } from '../../principal/principal.js'
import type { Budget } from '../../tools/call-context.js'
import type { Question } from './client-answers.js'

/** What the host knows of the caller. */
export interface Caller {
  readonly principal: Principal
  /** Where the request came from, as the host knows it. */
  readonly address?: string | undefined
  readonly requestId: string
  /** Of its request, with names in lower case. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined
  /** The server's log, with the request id. Left out: what is said is dropped. */
  readonly logger?: CallLogger
  /** What handlers may see of the request. Left out: it is a call in process. */
  readonly request?: CallRequest
  /** What remains of the caller's own limit; null where no limit is registered. */
  readonly budget: () => Promise<Budget | null>
  /** Takes `cost` from the caller's limit or throws a refusal. */
  readonly charge: (cost: number) => Promise<void>
  /** The refusal that is due where the caller's credential is good no longer. Left out: it always is. */
  readonly over?: () => Refusal | undefined
}

export type Notify = (method: string, params: Record<string, unknown>) => Promise<void>
export type Ask = (method: Question, params: Record<string, unknown>, key?: string) => Promise<Record<string, unknown>>

const clockSlackMs = 3

/** Milliseconds that are left of the caller's credential, at least 1. */
export function credentialMs ({ principal: { expiresAt = Infinity } }: Caller): number {
  // A timer counts by another clock than dates, and may be early by a millisecond or two.
  return Math.max(1, expiresAt - Date.now() + clockSlackMs)
}
