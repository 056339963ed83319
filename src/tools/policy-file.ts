/** Reads the file with the operator's limits and rights for tools. */
import { readSettingFile, unreadable } from '../lib/setting-file-error.js'
import { parseToolPolicies, requirePayable, type ToolPolicies, ToolPolicyError } from './tool-policies.js'

export interface PolicyFile {
  /** The path of the file. Left out: no policies. */
  readonly file?: string | undefined
  /** The budget of a caller per window, which no call may exceed. Left out: budgets differ by caller. */
  readonly maxCost?: number | undefined
}

/** Throws a `ToolPolicyError` if the file cannot be read or is invalid. */
export function readToolPolicies ({ file, maxCost }: PolicyFile): ToolPolicies {
  if (file === undefined) return {}
  const policies = parseToolPolicies(readText(file))
  if (maxCost !== undefined) requirePayable(policies, maxCost)
  return policies
}

function readText (path: string): string {
  try {
    return readSettingFile(path)
  } catch (error) {
    throw new ToolPolicyError(...unreadable(error))
  }
}
