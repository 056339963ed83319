/**
 * The port to where sessions of the 2025 revisions are kept. All of it is JSON, so that any instance can
 * serve any session.
 */
import type { Eventually } from '../../../lib/eventually.js'
import type { Rights } from './rights.js'

export interface SessionRecord {
  /** The id of the principal that opened it; nobody else finds the session. */
  readonly owner: string
  /** The revision that was agreed on. */
  readonly revision: string
  /** The client's, as it declared them. */
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly client: { readonly name: string, readonly version: string }
  /** The least severe log messages that the client wants, from 0; see `severity`. */
  readonly level: number
  /** The resources that it subscribed to. */
  readonly uris: readonly string[]
  /** All that it was used with. */
  readonly rights: Rights
  /** Grows with each change. */
  readonly version: number
}

export type NewSession = Pick<SessionRecord, 'owner' | 'revision' | 'capabilities' | 'client' | 'rights'>

export type SessionChange = { readonly level: number } | { readonly addUri: string } | { readonly removeUri: string }

export interface SessionBounds {
  /** Milliseconds without use. */
  readonly idleMs: number
  /** Milliseconds from the start, whatever happens. */
  readonly lifetimeMs: number
  /** One more ends the owner's least recently used. */
  readonly maxPerPrincipal: number
  /** Of all owners; one more ends the least recently used of an owner that has most. */
  readonly max: number
}

/** Rejects with an `UnavailableError` where sessions are kept elsewhere, and that cannot be reached. */
export interface SessionStore {
  /** Other instances have the same sessions. */
  readonly isShared: boolean
  /** Returns the ids of the sessions that had to end for this one. */
  readonly create: (id: string, session: NewSession) => Eventually<readonly string[]>
  /**
   * Marks the session as used, with `adds` where that is given. Returns `known` itself where nothing is new
   * since, and `undefined` for a session that is unknown, over, or another owner's.
   */
  readonly use: (
    id: string,
    owner: string,
    adds?: Rights,
    known?: SessionRecord
  ) => Eventually<SessionRecord | undefined>
  /** The new version. `full`: no more URIs can be added. `undefined`: the session is over. */
  readonly set: (id: string, change: SessionChange) => Eventually<number | 'full' | undefined>
  /** Marks sessions as used. Returns those that are over, and others whose time has come since the last call. */
  readonly keep: (ids: readonly string[]) => Eventually<readonly string[]>
  readonly end: (id: string) => Eventually<void>
  /** Notes a question to the client, whose answer may come in anywhere, with the rights that it needs. */
  readonly ask: (id: string, question: string, needed: Rights, ttlMs: number) => Eventually<void>
  /** The rights that an answer needs; `undefined` where nobody waits for one. */
  readonly asked: (id: string, question: string) => Eventually<Rights | undefined>
  /** Nobody waits for the answer any more, or for this. */
  readonly answered: (id: string, question: string) => void
}

export const maxUris = 100

/** `record` with `change`; itself where there is nothing to change. */
export function changed (record: SessionRecord, change: SessionChange): SessionRecord | 'full' {
  const { uris, version } = record
  if ('level' in change) {
    return change.level === record.level ? record : { ...record, level: change.level, version: version + 1 }
  }
  if ('removeUri' in change) {
    const left = uris.filter(uri => uri !== change.removeUri)
    return left.length === uris.length ? record : { ...record, uris: left, version: version + 1 }
  }
  if (uris.includes(change.addUri)) return record
  return uris.length >= maxUris ? 'full' : { ...record, uris: [...uris, change.addUri], version: version + 1 }
}

export function newRecord (session: NewSession): SessionRecord {
  return { ...session, level: 0, uris: [], version: 1 }
}
