/** Definitions of tools as they were approved: what changed since is withheld. */
import { readFileSync } from 'node:fs'
import { replaceFile } from '../lib/atomic-file.js'
import { codeOf, isRecord } from '../lib/guards.js'
import { sha256 } from '../lib/sha256.js'
import type { Lists } from './definitions.js'
import { UpstreamError } from './options.js'

/** What a model reads of a tool, and what its arguments and results may be. */
export interface Pinned {
  readonly name: string
  readonly description?: string | undefined
  readonly inputSchema: unknown
  readonly outputSchema?: unknown
}

/** By upstream, then by the upstream's own name of the tool. */
export type Lock = Readonly<
  Record<string, Readonly<Record<string, { readonly digest: string; readonly definition: Pinned }>>>
>

export function pinnedOf ({ name, description, inputSchema, outputSchema }: Lists['tools'][number]): Pinned {
  return {
    name,
    ...(description === undefined ? {} : { description }),
    inputSchema,
    ...(outputSchema === undefined ? {} : { outputSchema })
  }
}

export function digestOf (pinned: Pinned): string {
  return sha256(sorted(pinned))
}

/** `undefined` where there is no file yet. Throws an `UpstreamError` where it cannot be read. */
export function readLock (path: string): Lock | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new UpstreamError(`The lock of the upstreams cannot be read (${codeOf(error)}): ${path}`)
  }
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value) && value.version === 1 && isRecord(value.upstreams)) return value.upstreams as Lock
  } catch { /* the same fault */ }
  throw new UpstreamError(
    `The lock of the upstreams is damaged: ${path}. Restore it, or approve anew with "upstreams approve".`
  )
}

export async function writeLock (path: string, upstreams: Lock): Promise<void> {
  await replaceFile(path, `${JSON.stringify({ version: 1, upstreams }, null, 2)}\n`)
}

/** Canonical: members in the order of their names. */
function sorted (value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null'
  return `{${Object.keys(value)
    .sort()
    .filter(key => value[key] !== undefined)
    .map(key => `${JSON.stringify(key)}:${sorted(value[key])}`)
    .join(',')}}`
}
