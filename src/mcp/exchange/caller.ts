/** The caller of an exchange, and the channel of an era to it. */
import type { Refusal } from '../../errors.js'
import type { CallLogger, CallRequest } from '../../tools/app-context.js'
import type { Principal } from '../../principal/principal.js'
import type { Budget } from '../../tools/call-context.js'
import type { QuestionMethod } from './client-answers.js'

/** What the host knows about the caller. */
export interface Caller {
  readonly principal: Principal
  /** The address of the caller, as the host determined it. */
  readonly address?: string | undefined
  readonly requestId: string
  /** Headers of the request, with lower-case names. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined
  /** The server's log, with the request id. Default: nothing is logged. */
  readonly logger?: CallLogger
  /** The part of the request that handlers may see. Missing for a call in process. */
  readonly request?: CallRequest
  /** The rest of the caller's own limit; null if no limit is registered. */
  readonly budget: () => Promise<Budget | null>
  /** Charges `cost` to the caller's limit or throws a refusal. */
  readonly charge: (cost: number) => Promise<void>
  /** Returns a refusal if the caller's credential is no longer valid. Default: it is always valid. */
  readonly over?: () => Refusal | undefined
}

export type NotifyClient = (method: string, params: Record<string, unknown>) => Promise<void>
export type AskClient = (
  method: QuestionMethod,
  params: Record<string, unknown>,
  key?: string
) => Promise<Record<string, unknown>>

/** The connection to the caller, for messages before the answer. */
export interface ClientChannel {
  readonly notify: NotifyClient
  /** Missing if the caller cannot be asked. */
  readonly ask?: AskClient | undefined
  /** The keys of the questions whose answers came with the request. Default: none. */
  readonly answered?: readonly string[] | undefined
  /** Closes the stream of this call; the caller resumes it for the rest. Missing if the era does not support it. */
  readonly closeStream?: (() => void) | undefined
}

const clockSlackMs = 3

/** Milliseconds until the caller's credential expires, at least 1. */
export function credentialMs ({ principal: { expiresAt } }: Caller): number {
  if (expiresAt === undefined) return Infinity
  // Timers use another clock than dates and may fire a millisecond or two early.
  return Math.max(1, expiresAt - Date.now() + clockSlackMs)
}
