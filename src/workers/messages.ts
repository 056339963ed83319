/** The messages between workers and the primary. All are plain JSON. */
import type { Json } from '../fleet/bus.js'

/** A call of a port. `id` is `null` if no answer is needed. */
export type PortCall = readonly [id: number | null, port: string, method: string, args: readonly unknown[]]
/** The answer to a call: its result, or a failure. */
export type PortAnswer = readonly [id: number, ok: boolean, value: unknown]
/** A message of the bus. `id` is `''` for a message to one instance. */
export type Told = readonly [topic: string, message: Json, from: string, id: string]

/** The topic that requests the metrics of a worker. The message is the number of the request. */
export const metricsTopic = 'metrics'

/** A message of a worker: all calls of a tick. */
export interface PortCalls {
  readonly mcpCalls: readonly PortCall[]
}

/** A message of the primary: all answers and bus messages of a tick. */
export interface PortAnswers {
  readonly mcpAnswers: readonly PortAnswer[]
  readonly mcpTold: readonly Told[]
  /** The number of workers. */
  readonly workers: number
}

export function isCalls (value: unknown): value is PortCalls {
  return typeof value === 'object' && value !== null && 'mcpCalls' in value && Array.isArray(value.mcpCalls)
}

export function isAnswers (value: unknown): value is PortAnswers {
  return typeof value === 'object' && value !== null && 'mcpAnswers' in value && Array.isArray(value.mcpAnswers)
}
