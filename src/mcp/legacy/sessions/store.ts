/**
 * The port to the sessions of the 2025 revisions. All data is JSON, so that any instance can
 * serve any session.
 */
import type { Eventually } from '../../../lib/eventually.js'
import type { Rights } from './rights.js'

export interface SessionRecord {
  /** The id of the principal that opened it; for everybody else the session does not exist. */
  readonly owner: string
  /** The negotiated revision. */
  readonly revision: string
  /** The client's capabilities, as declared. */
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly client: { readonly name: string, readonly version: string }
  /** The lowest severity of log messages that the client wants, from 0; see `severity`. */
  readonly level: number
  /** The resources that it is subscribed to. */
  readonly uris: readonly string[]
  /** All rights that it was used with. */
  readonly rights: Rights
  /** Grows with each change. */
  readonly version: number
}

export type NewSession = Pick<SessionRecord, 'owner' | 'revision' | 'capabilities' | 'client' | 'rights'>

export type SessionChange = { readonly level: number } | { readonly addUri: string } | { readonly removeUri: string }

export interface SessionBounds {
  /** How long a session may be unused, in milliseconds. */
  readonly idleMs: number
  /** The maximum lifetime in milliseconds. */
  readonly lifetimeMs: number
  /** The maximum number for each owner. Another session ends the least recently used one. */
  readonly maxPerPrincipal: number
  /** The maximum number in total. Another session ends the least recently used one of the owner with the most. */
  readonly max: number
}

/** Rejects with an `UnavailableError` if the store cannot be reached. */
export interface SessionStore {
  /** True if other instances share these sessions. */
  readonly isShared: boolean
  /** Returns the ids of the sessions that were ended to make room. */
  readonly create: (id: string, session: NewSession) => Eventually<readonly string[]>
  /**
   * Marks the session as used, and applies `adds` if given. Returns `known` itself if nothing has changed
   * since, and `undefined` for a session that is unknown, has ended, or belongs to another owner.
   */
  readonly use: (
    id: string,
    owner: string,
    adds?: Rights,
    known?: SessionRecord
  ) => Eventually<SessionRecord | undefined>
  /** Resolves to the new version, `full` if no more URIs can be added, or `undefined` if the session has ended. */
  readonly set: (id: string, change: SessionChange) => Eventually<number | 'full' | undefined>
  /** Marks sessions as used. Returns those that have ended, and others that expired since the last call. */
  readonly keep: (ids: readonly string[]) => Eventually<readonly string[]>
  readonly end: (id: string) => Eventually<void>
  /** Records a question to the client, whose answer may arrive anywhere, with the rights that it needs. */
  readonly ask: (id: string, question: string, needed: Rights, ttlMs: number) => Eventually<void>
  /** The rights that an answer needs; `undefined` if no question waits for it. */
  readonly asked: (id: string, question: string) => Eventually<Rights | undefined>
  /** Removes all questions of a session, or one of them. */
  readonly answered: (id: string, question: string) => void
}

export const maxUris = 100

/** `record` with `change` applied; `record` itself if nothing changes. */
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
