/** Limits the size of tool results. */
import { ResultTooLargeError } from '../../errors.js'
import type { ToolResult } from '../../tools/tool.js'
import { serializedLength } from '../wire/serialize.js'

/** Throws a refusal that tells the model to request less, if the JSON text of `result` is longer than `max` bytes. */
export function requireSize (result: ToolResult, max: number): void {
  if (max === Infinity) return
  const bytes = serializedLength(result as object as Record<string, unknown>, max)
  if (bytes > max) {
    throw new ResultTooLargeError({ data: { limitBytes: max, bytes }, reason: `a result of ${bytes} bytes` })
  }
}
