/** Configures the logger of the service, and turns off Fastify's own request lines. */
import type { ServerResponse } from 'node:http'
import * as fastify from 'fastify'
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { createRedactor } from '../log/redact.js'
import { printableLine } from '../log/printable-line.js'
import { loggable } from '../log/serialize-error.js'
import { toStandardOutput } from '../log/stdout.js'
import { pathOf } from './request/logged-path.js'

export interface LogOptions {
  /** A pino level, or `silent`. Default `info`. */
  readonly level?: string | undefined
  /** The output for log lines. Default standard output. */
  readonly stream?: { write: (line: string) => void } | undefined
  /** Configured credentials. They are redacted wherever they appear. */
  readonly secrets?: readonly string[] | undefined
}

/** The `logger` option of Fastify: pino, with redaction as the last step before the stream. */
export function loggerOptions ({
  level = 'info',
  stream = toStandardOutput(),
  secrets
}: LogOptions): NonNullable<FastifyServerOptions['logger']> {
  if (level === 'silent') return false
  const redact = createRedactor(secrets)
  return {
    level,
    stream,
    serializers: {
      err: (error: unknown) => ({ stack: '', ...loggable(error) }),
      req: request => ({ method: request.method, path: pathOf(request.url, request.is404), ip: request.ip }),
      res: reply => ({ statusCode: reply.statusCode })
    },
    // Redacts the finished line, because a credential can be in any string of any field.
    hooks: { streamWrite: line => printableLine(redact(line)) }
  }
}

const requestId = Symbol('the id of the request that this answers')

type Answer = ServerResponse & { [requestId]?: string }

/** The id of the request that `response` answers. `undefined` if no `RequestLog` has seen the request. */
export function requestIdOf (response: ServerResponse): string | undefined {
  return (response as Answer)[requestId]
}

/** `undefined` in early versions of Fastify 5. `mcpAuth` supports those, because it uses the host's log. */
const LogController = (fastify as Partial<typeof fastify>).LogController
const Base = LogController ?? (class {} as typeof fastify.LogController)

/** Turns off Fastify's request lines, which contain the query. The decision of a request has its own line. */
export class RequestLog extends Base {
  constructor () {
    if (LogController === undefined) {
      throw new Error('`startServer` and `buildApp` need a later Fastify: run `npm install fastify@latest`')
    }
    super()
  }

  override incomingRequest (request: FastifyRequest, reply: FastifyReply): void {
    const answer: Answer = reply.raw
    answer[requestId] = request.id
  }

  override requestCompleted (): void {}

  override routeNotFound (): void {}

  override defaultErrorLog (error: Error, request: FastifyRequest): void {
    request.log.error({ err: error }, 'fault')
  }
}
