/** What a caller may be asked, by what its client declared. */
import type { Question } from './client-answers.js'
import { isRecord } from '../../lib/guards.js'

export const capabilityOf = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots'
} as const

/**
 * What `declared`, the client's capability, lacks for it to be asked `params`, as the client would declare it;
 * `undefined` where it lacks nothing. A bare `elicitation` means forms (MCP 2025-11-25, Elicitation, Capabilities).
 */
export function lackOf (
  declared: unknown,
  question: Question,
  params: Record<string, unknown>
): Record<string, object> | undefined {
  const parts = isRecord(declared) ? declared : undefined
  const formsNeedWord = question === 'elicitation/create' && parts?.url !== undefined
  const part = partOf(params) ?? (formsNeedWord ? 'form' : undefined)
  if (parts !== undefined && (part === undefined || isRecord(parts[part]))) return undefined
  return part === undefined ? {} : { [part]: {} }
}

function partOf ({ mode, tools }: Record<string, unknown>): 'url' | 'tools' | undefined {
  if (mode === 'url') return 'url'
  return tools === undefined ? undefined : 'tools'
}
