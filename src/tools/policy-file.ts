/** Reads the file with the operator's limits and rights for tools. */
import { readFileSync } from 'node:fs'
import { unreadable } from '../lib/setting-file-error.js'
import { parseToolPolicies, requirePayable, type ToolPolicies, ToolPolicyError } from './tool-policies.js'

export interface PolicyFile {
  /** Left out: there are no policies. */
  readonly file?: string | undefined
  /** The budget of a caller in one window: no call may cost more. Left out: callers have budgets of their own. */
  readonly maxCost?: number | undefined
}

/** Throws a `ToolPolicyError` where the file can't be read, or where its content is invalid. */
export function readToolPolicies ({ file, maxCost }: PolicyFile): ToolPolicies {
  if (file === undefined) return {}
  const policies = parseToolPolicies(readText(file))
  if (maxCost !== undefined) requirePayable(policies, maxCost)
  return policies
}

function readText (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ToolPolicyError(...unreadable(error))
  }
}
