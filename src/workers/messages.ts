/** The messages between a worker and its primary, all JSON. */
import type { Json } from '../fleet/bus.js'

/** A call of a port: its number, the port, the method, the arguments. Without a number nobody waits for the answer. */
export type Call = readonly [id: number | null, port: string, method: string, args: readonly unknown[]]
/** The answer to a call: what it gave, or that it failed. */
export type Answer = readonly [id: number, ok: boolean, value: unknown]
/** Something told on the bus; `id` is `''` for a letter. */
export type Told = readonly [topic: string, message: Json, from: string, id: string]

/** Asks each worker for its metrics; the message is the number of the question. */
export const metricsTopic = 'metrics'

/** From a worker: what it collected within a tick. */
export interface Calls {
  readonly mcpCalls: readonly Call[]
}

/** From the primary. */
export interface Answers {
  readonly mcpAnswers: readonly Answer[]
  readonly mcpTold: readonly Told[]
  /** How many workers there are. */
  readonly workers: number
}

export function isCalls (value: unknown): value is Calls {
  return typeof value === 'object' && value !== null && 'mcpCalls' in value && Array.isArray(value.mcpCalls)
}

export function isAnswers (value: unknown): value is Answers {
  return typeof value === 'object' && value !== null && 'mcpAnswers' in value && Array.isArray(value.mcpAnswers)
}
