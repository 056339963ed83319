/** Which questions a client supports, according to its declared capabilities. */
import type { QuestionMethod } from './client-answers.js'
import { isRecord } from '../../lib/guards.js'

export const capabilityOf = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots'
} as const

/**
 * The capabilities missing from `declared` for a question with `params`, in the form of a declaration;
 * `undefined` if nothing is missing. A bare `elicitation` means forms (MCP 2025-11-25, Elicitation, Capabilities).
 */
export function lackOf (
  declared: unknown,
  question: QuestionMethod,
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
