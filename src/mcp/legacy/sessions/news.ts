/**
 * Messages between instances about the sessions that they serve. A message that cannot be read is from a
 * later version and is ignored.
 */
import type { Bus, Json } from '../../../fleet/bus.js'
import { isListOf, isRecord } from '../../../lib/guards.js'
import { isRequestId } from '../../wire/messages.js'
import type { Session } from './session.js'
import type { Rights } from './rights.js'
import type { SessionChange } from './store.js'

/** `find`: returns a session with open calls or streams here; `end` ends them. Returns a function that unsubscribes. */
export function listenToInstances (
  bus: Bus,
  find: (id: string) => Session | undefined,
  end: (id: string) => void
): () => void {
  const on = (
    topic: string,
    listener: (session: Session, message: Record<string, unknown>, from: string) => void
  ): (() => void) => {
    return bus.on(topic, (message: Json, { from }) => {
      const session =
        isRecord(message) && typeof message.session === 'string' ? find(message.session) : undefined
      if (session !== undefined && isRecord(message)) listener(session, message, from)
    })
  }
  const stops = [
    on('session-answer', (session, { message, rights }) => {
      if (isRecord(message) && typeof message.id === 'string' && isRights(rights)) {
        session.takeAnswer(message.id, message, rights)
      }
    }),
    on('session-cancel', (session, { requestId, rights }) => {
      if (isRequestId(requestId) && isRights(rights)) {
        session.cancel(requestId, rights)
      }
    }),
    on('session-change', (session, { change, version }) => {
      if (isChange(change) && typeof version === 'number') session.apply(change, version)
    }),
    on('session-listens', (session, { instance, stream }) => {
      if (instance === bus.id) session.standing.announced(String(stream))
      else session.standing.replacedElsewhere()
    }),
    on('session-follow', (session, { name, by }) => {
      if (typeof name === 'string' && typeof by === 'string') session.follow(name, by)
    }),
    bus.on('session-ended', message => {
      if (isRecord(message) && Array.isArray(message.sessions)) { for (const id of message.sessions) end(String(id)) }
    })
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function isRights (value: unknown): value is Rights & Record<string, unknown> {
  const isText = (one: unknown): boolean => typeof one === 'string'
  return (
    isRecord(value) &&
    typeof value.admin === 'boolean' &&
    isListOf(value.roles, isText) &&
    isListOf(value.scopes, isText) &&
    isListOf(value.kinds, isText)
  )
}

function isChange (value: unknown): value is SessionChange & Record<string, unknown> {
  return (
    isRecord(value) &&
    (typeof value.level === 'number' ||
      typeof value.addUri === 'string' ||
      typeof value.removeUri === 'string')
  )
}
