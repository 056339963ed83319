/** Converts any thrown value into a refusal that the caller may see. */
import {
  BadUrlError,
  BodyTooLargeError,
  HeadersTooLargeError,
  InternalError,
  InvalidParamsError,
  InvalidRequestError,
  isRefusal,
  MalformedBodyError,
  MissingCapabilityError,
  NotFoundError,
  ProtocolVersionError,
  type Refusal,
  type RefusalClass,
  type RefusalData,
  refusals,
  RequestTimeoutError,
  UnknownMethodError,
  UnsupportedMediaTypeError
} from './errors.js'
import { codeOf } from './lib/guards.js'

/** Refusals for the error codes of the SDKs; the SDK's message is not shown. */
const byRpcCode: Readonly<Record<number, RefusalClass>> = {
  [-32700]: MalformedBodyError,
  [-32600]: InvalidRequestError,
  [-32601]: UnknownMethodError,
  [-32602]: InvalidParamsError,
  [-32021]: MissingCapabilityError,
  [-32022]: ProtocolVersionError
}

/** The refusal for an SDK's error response, by its `code`; an unexpected code is a fault. */
export function fromRpcCode (code: number, reason: string): Refusal {
  const Refused = byRpcCode[code] ?? InternalError
  return new Refused({ reason })
}

/**
 * The errors with which Fastify and Node refuse requests, by code. All others are faults. A Map, because a
 * look-up of the code `constructor` in an object would find a function.
 */
const foreign: ReadonlyMap<string, RefusalClass> = new Map(Object.entries({
  FST_ERR_CTP_INVALID_JSON_BODY: MalformedBodyError,
  FST_ERR_CTP_EMPTY_JSON_BODY: MalformedBodyError,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: MalformedBodyError,
  FST_ERR_CTP_BODY_TOO_LARGE: BodyTooLargeError,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: UnsupportedMediaTypeError,
  FST_ERR_BAD_URL: BadUrlError,
  FST_ERR_ASYNC_CONSTRAINT: NotFoundError,
  FST_ERR_MAX_PARAM_LENGTH: BadUrlError,
  HPE_HEADER_OVERFLOW: HeadersTooLargeError,
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeoutError
}))

/**
 * The refusal that the caller may see for any thrown value; everything unexpected becomes
 * `MCP_ERR_INTERNAL`. Reads only the class and the `code` of the error: a status below 500 on a
 * foreign error does not make it a refusal.
 */
export function toRefusal (error: unknown): Refusal {
  if (isRefusal(error)) return error
  const Refused = foreign.get(codeOf(error, '')) ?? InternalError
  return new Refused({ cause: error })
}

/** The cause of an internal error, for the log; `undefined` for an expected refusal. */
export function faultOf (refusal: Refusal): unknown {
  return refusal.code === InternalError.code ? refusal.cause ?? refusal : undefined
}

/** The content of a refusal: `error.data` on `/mcp`, the whole body elsewhere. */
export interface RefusalBody {
  readonly code: string
  readonly message: string
  readonly requestId: string
  readonly [key: string]: unknown
}

/** The plain JSON body of a refusal. */
export function refusalBody (refusal: Refusal, requestId: string): RefusalBody {
  return { ...refusal.data, code: refusal.code, message: refusal.message, requestId }
}

export interface RpcRefusal {
  readonly jsonrpc: '2.0'
  readonly id?: string | number
  readonly error: { readonly code: number, readonly message: string, readonly data: RefusalData }
}

/**
 * The JSON-RPC body of a refusal (JSON-RPC 2.0 §5.1). An unknown `id` is omitted, because MCP forbids null.
 */
export function rpcRefusal (refusal: Refusal, requestId: string, id?: string | number): RpcRefusal {
  const { rpcCode, statusCode } = refusals.get(refusal.code) ?? InternalError
  return {
    jsonrpc: '2.0',
    ...(id === undefined ? {} : { id }),
    error: {
      // Our own codes equal the HTTP status, which a hook of the host may have chosen.
      code: rpcCode === statusCode ? refusal.statusCode : rpcCode,
      message: refusal.message,
      data: { ...refusal.data, code: refusal.code, requestId }
    }
  }
}
