/** Writes the log line of a decision: one per request, with the same fields for refusals and results. */
import type { Decision, DecisionKind } from './decision.js'

/** The part of a pino logger that is used here. */
export interface LineLog {
  debug: (fields: object, message: string) => void
  info: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}

/** Which decisions about requests are logged. `failures`: those with a code. Faults are always logged. */
export type Lines = 'all' | 'failures' | 'faults'

const ofRequests: ReadonlySet<DecisionKind> = new Set(['refused', 'limited', 'called', 'served'])

/** Logged at `debug`, because the request that opened the session has its own line. */
const quiet: ReadonlySet<DecisionKind> = new Set(['configured', 'session-opened', 'session-closed'])

/** Never throws: a logger reports its own failures. */
export function writeLine (decision: Decision, log: LineLog, lines: Lines): void {
  const { kind, about, fault, batch, code, http } = decision
  if (!ofRequests.has(kind)) {
    const level = quiet.has(kind) ? 'debug' : 'info'
    log[level]({ ...about, reqId: decision.requestId, by: authorOf(decision) ?? about?.by }, kind.replace('-', ' '))
    return
  }
  if (fault !== undefined) {
    log.error(fieldsOf(decision), 'request')
    return
  }
  // Only the first message of a batch gets a line.
  if (lines === 'faults' || (batch?.index ?? 0) > 0) return
  if (lines === 'failures' && code === undefined) return
  log[http?.isGoodProbe === true ? 'debug' : 'info'](fieldsOf(decision), 'request')
}

/** The author, in the form of the ledger's records. */
function authorOf ({ principal, keyId, tokenId }: Decision): object | undefined {
  return principal === undefined ? undefined : { principal, tokenId, keyId }
}

/**
 * The logger leaves out undefined fields. One object literal, because every request passes here. `about` is added
 * name by name: a spread of both would take ten times as long, and the time of a refusal would tell a known key from
 * an unknown one.
 */
function fieldsOf (decision: Decision): object {
  const { http, itemKind, item, batch, result, ms, about } = decision
  const fields: Record<string, unknown> = {
    method: http?.method,
    path: http?.path,
    statusCode: http?.status,
    ms: ms === undefined ? undefined : Math.round(ms * 100) / 100,
    ip: decision.address,
    principal: decision.principal,
    keyId: decision.keyId,
    tokenId: decision.tokenId,
    oauthClient: decision.oauthClient,
    client: decision.client,
    code: decision.code,
    reason: decision.reason,
    rpc: decision.method,
    tool: itemKind === 'tool' ? item : undefined,
    prompt: itemKind === 'prompt' ? item : undefined,
    uri: itemKind === 'resource' ? item : undefined,
    batch: batch?.size,
    outcome: batch === undefined ? result : batch.result,
    cut: http?.isCut === true ? true : undefined,
    err: decision.fault ?? decision.cause
  }
  for (const name in about) if (!Object.hasOwn(fields, name)) fields[name] = about[name]
  return fields
}
