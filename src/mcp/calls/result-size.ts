/** How large the result of a tool may be. */
import { ResultTooLargeError } from '../../errors.js'
import type { ToolResult } from '../../tools/tool.js'
import { serializedLength } from '../wire/serialize.js'

/** Throws a refusal that tells the model to ask for less, where the JSON text of `result` has more bytes than `max`. */
export function requireSize (result: ToolResult, max: number): void {
  if (max === Infinity) return
  const bytes = serializedLength({ ...result }, max)
  if (bytes > max) {
    throw new ResultTooLargeError({ data: { limitBytes: max, bytes }, reason: `a result of ${bytes} bytes` })
  }
}
