/**
 * What the client of a session posts besides requests: answers to questions, and cancellations. Those for calls
 * of other instances are passed on.
 */
import { InvalidRequestError, UnavailableError, retryLater } from '../../../errors.js'
import type { Bus, Json } from '../../../fleet/bus.js'
import { type Eventually, after } from '../../../lib/eventually.js'
import { answerForSdk } from '../../wire/for-sdk.js'
import { type RequestId, type RpcMessage, type RpcRequest, isRequestId, kindOf } from '../../wire/messages.js'
import { type ClientRequests, instanceOf } from './client-requests.js'
import { type Rights, areHeld, fewerRights } from './rights.js'
import type { SessionStore } from './store.js'

export interface ClientMessagesOptions {
  /** The id of the session. */
  readonly session: string
  readonly bus: Bus
  readonly store: SessionStore
  readonly questions: ClientRequests
  /** Cancels a call that runs on this instance. */
  readonly cancel: (requestId: RequestId, rights: Rights) => 'done' | 'refused' | 'unknown'
}

/** Throws a refusal if `message` is not JSON-RPC. */
export function checkMessage (message: unknown): void {
  const kind = kindOf(message)
  if (kind === 'invalid') throw new InvalidRequestError({ reason: 'not a JSON-RPC message' })
  // Schemas check what a caller answers.
  if (kind === 'response') answerForSdk(message)
}

/** Throws a refusal if other instances cannot be told: the client must repeat the request. */
export async function whenTold (told: Promise<unknown>): Promise<void> {
  try {
    await told
  } catch {
    throw new UnavailableError(retryLater(1000, { reason: 'other instances cannot be notified' }))
  }
}

export class ClientMessages {
  readonly #options: ClientMessagesOptions

  constructor (options: ClientMessagesOptions) {
    this.#options = options
  }

  /** Processes answers and cancellations in order. `requests`: the requests among the messages. */
  take (messages: readonly unknown[], requests: readonly RpcRequest[], rights: Rights): Eventually<void> {
    const [message, ...rest] = messages as readonly RpcMessage[]
    if (message === undefined) return
    return after(this.#takeOne(message, requests, rights), () => this.take(rest, requests, rights))
  }

  #takeOne (message: RpcMessage, requests: readonly RpcRequest[], rights: Rights): Eventually<void> {
    if (!('method' in message)) return this.#takeAnswer(message, rights)
    if (message.method !== 'notifications/cancelled') return
    const { requestId } = message.params ?? {}
    // In the batch of its own call, a cancellation is too late (MCP 2025-03-26, Cancellation).
    if (!requests.some(({ id }) => id === requestId)) return this.#takeCancellation(requestId, rights)
  }

  #takeAnswer (message: RpcMessage, rights: Rights): Eventually<void> {
    const { id } = message as { id?: RequestId }
    if (typeof id !== 'string') return
    const { session, bus, store, questions } = this.#options
    if (instanceOf(id) === bus.id || !store.isShared) {
      if (questions.take(id, { ...message }, rights) === 'refused') throw fewerRights()
      return
    }
    // Checked first, so that an answer without a question is not passed on.
    return after(store.asked(session, id), needed => {
      if (needed === undefined) return
      if (!areHeld(needed, rights)) throw fewerRights()
      return whenTold(
        bus.tell(instanceOf(id), 'session-answer', {
          session,
          // A caller's message was JSON; only the part that is read is sent to other instances.
          message: answerForSdk(message) as object as Json,
          rights
        })
      )
    })
  }

  #takeCancellation (requestId: unknown, rights: Rights): Eventually<void> {
    // No request has any other id, and one of any length would be sent to all instances.
    if (!isRequestId(requestId)) return
    const { session, bus, store, cancel } = this.#options
    const cancelled = cancel(requestId, rights)
    if (cancelled === 'refused') throw fewerRights()
    if (cancelled === 'unknown' && store.isShared) {
      return whenTold(bus.tellAll('session-cancel', { session, requestId, rights }))
    }
  }
}
