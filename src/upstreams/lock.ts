/** The file of approved tool definitions. A tool that differs from its approved definition is not served. */
import { replaceFile } from '../lib/atomic-file.js'
import { canonicalJson } from '../lib/canonical-json.js'
import { codeOf, isRecord } from '../lib/guards.js'
import { readSettingFile, unreadable } from '../lib/setting-file-error.js'
import { sha256 } from '../lib/sha256.js'
import type { Lists } from './lists.js'
import { UpstreamError } from './options.js'

/** The file of approved definitions cannot be read, used or written. */
export class LockError extends UpstreamError {}

/** The part of a definition that is approved: everything that models and clients rely on. */
export interface Pinned {
  readonly name: string
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly inputSchema: unknown
  readonly outputSchema?: unknown
  /** Clients use these to decide if they ask the user before a call. */
  readonly annotations?: unknown
}

/** By upstream, then by the original name of the tool. */
export type Lock = Readonly<
  Record<string, Readonly<Record<string, { readonly digest: string; readonly definition: Pinned }>>>
>

export const pinnedMembers = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'] as const

export function pinnedOf (tool: Lists['tools'][number]): Pinned {
  return Object.fromEntries(
    pinnedMembers.flatMap(member => tool[member] === undefined ? [] : [[member, tool[member]]])
  ) as unknown as Pinned
}

/**
 * True if the tool equals its approved definition. Own properties only, because a tool may be called
 * `constructor`.
 */
export function isApproved (lock: Lock, upstream: string, tool: Lists['tools'][number]): boolean {
  const pinned = Object.hasOwn(lock, upstream) ? lock[upstream] ?? {} : {}
  return Object.hasOwn(pinned, tool.name) && pinned[tool.name]?.digest === digestOf(pinnedOf(tool))
}

export function digestOf (pinned: Pinned): string {
  return sha256(canonicalJson(pinned))
}

/** `undefined` if the file does not exist. Throws a `LockError` if it cannot be read or is damaged. */
export function readLock (path: string): Lock | undefined {
  let text: string
  try {
    text = readSettingFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new LockError(...unreadable(error))
  }
  const lock = lockIn(text)
  if (lock === undefined) throw new LockError('names a file that is damaged', restore)
  requireDigests(lock)
  return lock
}

const restore = 'restore it, or move it away and run "upstreams approve"'

function lockIn (text: string): Lock | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && value.version === 1 && isLock(value.upstreams) ? value.upstreams : undefined
  } catch {
    return undefined
  }
}

/** Checks the digests. Reviewers read the definitions, but digests decide, so both must match. */
function requireDigests (lock: Lock): void {
  for (const [upstream, tools] of Object.entries(lock)) {
    for (const [tool, { digest, definition }] of Object.entries(tools)) {
      if (digest === digestOf(definition) && definition.name === tool) continue
      throw new LockError(
        `names a file whose definition of ${JSON.stringify(`${upstream}: ${tool}`)} does not match its digest`,
        restore
      )
    }
  }
}

function isLock (value: unknown): value is Lock {
  return isRecord(value) && Object.values(value).every(tools =>
    isRecord(tools) &&
    Object.values(tools).every(tool =>
      isRecord(tool) && typeof tool.digest === 'string' && isRecord(tool.definition)
    )
  )
}

/** Rejects with a `LockError` if the file cannot be written. */
export async function writeLock (path: string, upstreams: Lock): Promise<void> {
  try {
    await replaceFile(path, `${JSON.stringify({ version: 1, upstreams }, null, 2)}\n`)
  } catch (error) {
    throw new LockError(
      `names a file that cannot be written (${codeOf(error)})`,
      'name a file in an existing directory that this user can write to',
      { cause: error }
    )
  }
}
