/** The file of tool policies that the settings name, and what is wrong with it as a problem of its setting. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config, Problem } from '../config/load.js'
import { parseToolPolicies, requirePayable, type ToolPolicies, ToolPolicyError } from './tool-policies.js'

type Settings = Pick<Config, 'TOOL_POLICY_FILE' | 'RATE_LIMIT_MAX' | 'API_KEYS_FILE'>

/**
 * Reads the policy file of the settings, relative to `directory`; without one there are no
 * policies. Throws a `ToolPolicyError` where it can't be read or can't be meant.
 */
export function readToolPolicies ({ TOOL_POLICY_FILE: file, RATE_LIMIT_MAX, API_KEYS_FILE }: Settings, directory = '.'): ToolPolicies {
  if (file === undefined) return {}
  const policies = parseToolPolicies(readText(resolve(directory, file)))
  // Managed keys may have higher limits of their own.
  if (API_KEYS_FILE === undefined) requirePayable(policies, RATE_LIMIT_MAX)
  return policies
}

function readText (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new ToolPolicyError('names a file that cannot be read')
  }
}

/** What would stop the start. Whether the tools that the file names are there, only the start can tell. */
export function policyFileProblems (settings: Settings, directory: string): Problem[] {
  try {
    readToolPolicies(settings, directory)
    return []
  } catch (error) {
    const problem = policyFileProblem(error)
    if (problem === undefined) throw error
    return [problem]
  }
}

/** `undefined` for an error that is not about policies. */
export function policyFileProblem (error: unknown): Problem | undefined {
  return error instanceof ToolPolicyError ? { variable: 'TOOL_POLICY_FILE', wrong: error.message, right: 'write it as docs/tools.md shows' } : undefined
}
