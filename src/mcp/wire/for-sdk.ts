/**
 * The part of a message that an SDK gets: only the members that it reads, and no more than its schemas can
 * check quickly.
 */
import { InvalidParamsError, InvalidRequestError } from '../../errors.js'
import { isRecord } from '../../lib/guards.js'
import { type RpcMessage, type RpcNotification, type RpcRequest, isModest } from './messages.js'

/** The parameters that the SDKs read besides `_meta`, by method. For other methods there are none. */
const readBySdk: ReadonlyMap<string, readonly string[]> = new Map([
  ['initialize', ['protocolVersion', 'capabilities', 'clientInfo']],
  ['logging/setLevel', ['level']],
  ['notifications/cancelled', ['requestId', 'reason']],
  ['notifications/progress', ['progressToken', 'progress', 'total', 'message']]
])

/** An answer may contain a list of workspace roots, or a sampled message with many blocks. */
export const maxAnswerValues = 5000
/** An error message of a client goes to the log, and is one sentence. */
const maxErrorLength = 1000

/**
 * A request or notification with only the members that an SDK reads. The caller's other parameters never reach a
 * schema of an SDK: a body of 90,000 small values would block it for a second. Throws a refusal if
 * these members contain more than 1,000 values. `hasReadableMeta` checks `_meta` before.
 */
export function forSdk<M extends RpcRequest | RpcNotification> (message: M): M {
  const { params } = message
  if (params === undefined) return message
  const read: Record<string, unknown> = {}
  for (const name of readBySdk.get(message.method) ?? []) {
    if (params[name] !== undefined) read[name] = params[name]
  }
  if (!isModest(read)) throw new InvalidParamsError({ reason: `${message.method} with too many values` })
  if (params._meta !== undefined) read._meta = params._meta
  return { ...message, params: read }
}

/**
 * A client's answer to a question, with only the members that an SDK reads. Throws a refusal if it contains
 * more than 5,000 values.
 */
export function answerForSdk (message: unknown): RpcMessage {
  if (!isRecord(message)) throw new InvalidRequestError({ reason: 'an answer that is not an object' })
  const { id, result, error } = message
  if (isRecord(result)) {
    if (!isModest(result, maxAnswerValues)) throw new InvalidRequestError({ reason: 'an answer with too many values' })
    return { jsonrpc: '2.0', id, result } as RpcMessage
  }
  const { code, message: text } = isRecord(error) ? error : {}
  const shown = typeof text === 'string' ? text.slice(0, maxErrorLength) : ''
  return { jsonrpc: '2.0', id, error: { code: Number.isSafeInteger(code) ? code : 0, message: shown } } as RpcMessage
}
